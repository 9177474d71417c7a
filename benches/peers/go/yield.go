package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// yieldPair: two goroutines that only yield.
func yieldPair(n int) (time.Duration, int) {
	var wg sync.WaitGroup
	wg.Add(1)
	began := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			runtime.Gosched()
		}
		wg.Done()
	}()
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
	wg.Wait()
	return time.Since(began), 2 * n
}

// yieldMany: so many goroutines that yield in turn, all started before the clock.
func yieldMany(threads int) (time.Duration, int) {
	const yields = 200
	var started atomic.Int64
	var open atomic.Bool
	var wg sync.WaitGroup
	wg.Add(threads)
	for i := 0; i < threads; i++ {
		go func() {
			started.Add(1)
			for !open.Load() {
				runtime.Gosched()
			}
			for i := 0; i < yields; i++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	for started.Load() < int64(threads) {
		runtime.Gosched()
	}
	began := time.Now()
	open.Store(true)
	wg.Wait()
	return time.Since(began), threads * yields
}

// pingPong: a round trip over two unbuffered channels.
func pingPong(n int) (time.Duration, int) {
	ping, pong := make(chan struct{}), make(chan struct{})
	go func() {
		for range ping {
			pong <- struct{}{}
		}
	}()
	began := time.Now()
	for i := 0; i < n; i++ {
		ping <- struct{}{}
		<-pong
	}
	elapsed := time.Since(began)
	close(ping)
	return elapsed, n
}
