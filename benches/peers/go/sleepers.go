package main

import (
	"math/rand"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// sleepers: so many goroutines sleep until deadlines at random; how late they wake, in milliseconds, and their memory.
func sleepers(n int) {
	late := make([]int64, n)
	for i := range late {
		late[i] = -1
	}
	spread := 10 * time.Second
	if n < 1000 {
		spread = time.Second
	}
	random := rand.New(rand.NewSource(1))
	before := residentKiB()
	start := time.Now().Add(200*time.Millisecond + time.Duration(n)*9*time.Microsecond)
	var asleep atomic.Int64
	var done sync.WaitGroup
	done.Add(n)
	for i := 0; i < n; i++ {
		after := time.Duration(random.Int63n(int64(spread)))
		go func() {
			asleep.Add(1)
			time.Sleep(time.Until(start.Add(after)))
			late[i] = int64(time.Since(start) - after)
			done.Done()
		}()
	}
	for asleep.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	if !time.Now().Before(start) {
		fail("they did not all sleep before the first deadline")
	}
	held := residentKiB()
	done.Wait()
	sort.Slice(late, func(a, b int) bool { return late[a] < late[b] })
	millis := func(share float64) float64 { return float64(late[int(float64(n-1)*share)]) / 1e6 }
	value(millis(0.5))
	most("p99.9", millis(0.999))
	most("longest", millis(1))
	most("KiB-each", (held-before)/float64(n))
}
