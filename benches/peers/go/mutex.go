package main

import (
	"sync"
	"time"
)

// mutexAlone: lock and unlock, with nobody else about.
func mutexAlone(n int) (time.Duration, int) {
	var mutex sync.Mutex
	count := 0
	began := time.Now()
	for i := 0; i < n; i++ {
		mutex.Lock()
		count++
		mutex.Unlock()
	}
	elapsed := time.Since(began)
	if count != n {
		fail("mutex: wrong count")
	}
	return elapsed, n
}

// mutexTogether: the same by 64 goroutines at once.
func mutexTogether(n int) (time.Duration, int) {
	const goroutines = 64
	var mutex sync.Mutex
	var all sync.WaitGroup
	count, each := 0, n/goroutines
	began := time.Now()
	for i := 0; i < goroutines; i++ {
		all.Add(1)
		go func() {
			for j := 0; j < each; j++ {
				mutex.Lock()
				count++
				mutex.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	elapsed := time.Since(began)
	if count != each*goroutines {
		fail("mutex: wrong count")
	}
	return elapsed, count
}
