package main

import (
	"sync"
	"time"
)

// skynet: each node spawns its children, waits for them and adds the numbers they left in their slots.
func skynet(first, size, children int) int {
	if size == 1 {
		return first
	}
	var wg sync.WaitGroup
	var results [10]int
	part := size / children
	wg.Add(children)
	for i := 0; i < children; i++ {
		go func() {
			results[i] = skynet(first+i*part, part, children)
			wg.Done()
		}()
	}
	wg.Wait()
	sum := 0
	for _, result := range results[:children] {
		sum += result
	}
	return sum
}

// skynetWarm prints the time in ms of the second of two trees.
func skynetWarm(children, leaves int) {
	skynet(0, leaves, children)
	began := time.Now()
	sum := skynet(0, leaves, children)
	elapsed := time.Since(began)
	if sum != leaves*(leaves-1)/2 {
		fail("skynet: wrong sum")
	}
	value(float64(elapsed.Nanoseconds()) / 1e6)
}
