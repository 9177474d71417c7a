package main

import (
	"sort"
	"sync"
	"time"
)

// spawnJoin: one goroutine at a time, in the WaitGroup form with a result slot.
func spawnJoin(n int) (time.Duration, int) {
	var wg sync.WaitGroup
	sum := 0
	began := time.Now()
	for i := 0; i < n; i++ {
		var result int
		wg.Add(1)
		go func() {
			result = i
			wg.Done()
		}()
		wg.Wait()
		sum += result
	}
	elapsed := time.Since(began)
	if sum != n*(n-1)/2 {
		fail("spawnJoin: wrong sum")
	}
	return elapsed, n
}

// spawnBatch: 1,000 goroutines, then wait for all, so many times.
func spawnBatch(batches int) (time.Duration, int) {
	const batch = 1000
	var wg sync.WaitGroup
	results := make([]int, batch)
	sum := 0
	began := time.Now()
	for b := 0; b < batches; b++ {
		wg.Add(batch)
		for i := 0; i < batch; i++ {
			go func() {
				results[i] = i
				wg.Done()
			}()
		}
		wg.Wait()
		for _, result := range results {
			sum += result
		}
	}
	elapsed := time.Since(began)
	if sum != batches*batch*(batch-1)/2 {
		fail("spawnBatch: wrong sum")
	}
	return elapsed, batches * batch
}

func compute(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

// spawnLatency: how soon a goroutine starts whose spawner computes for 10 ms; the median of so many trials, in us.
func spawnLatency(trials int) {
	delays := make([]float64, trials)
	for t := range delays {
		var wg sync.WaitGroup
		wg.Add(1)
		asked := time.Now()
		go func() {
			delays[t] = float64(time.Since(asked).Nanoseconds()) / 1e3
			wg.Done()
		}()
		compute(10 * time.Millisecond)
		wg.Wait()
		time.Sleep(2 * time.Millisecond)
	}
	sort.Float64s(delays)
	value(delays[trials/2])
	most("longest", delays[trials-1])
}

// hog: one goroutine computes for 1 s while another spawns; the longest delay of a start, in ms.
func hog(spawns int) {
	started := make(chan struct{})
	length := time.Second
	if spawns < 1000 {
		length = 100 * time.Millisecond
	}
	go func() {
		close(started)
		compute(length)
	}()
	<-started
	delays := make([]float64, spawns)
	var wg sync.WaitGroup
	for s := range delays {
		wg.Add(1)
		asked := time.Now()
		go func() {
			delays[s] = float64(time.Since(asked).Nanoseconds()) / 1e6
			wg.Done()
		}()
		time.Sleep(700 * time.Microsecond)
	}
	wg.Wait()
	sort.Float64s(delays)
	value(delays[spawns-1])
	most("median", delays[spawns/2])
}
