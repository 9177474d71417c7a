package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// residentKiB is this process's memory, its page tables included.
func residentKiB() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err.Error())
	}
	sum := 0
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			kib, err := strconv.Atoi(strings.Fields(line)[1])
			if err != nil {
				fail(err.Error())
			}
			sum += kib
		}
	}
	return float64(sum)
}

// parked: so many goroutines wait at once; memory of each in KiB.
func parked(n int) {
	before := residentKiB()
	began := time.Now()
	gate := make(chan struct{})
	var started, done sync.WaitGroup
	started.Add(n)
	done.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			started.Done()
			<-gate
			done.Done()
		}()
	}
	started.Wait()
	seconds := time.Since(began).Seconds()
	time.Sleep(100 * time.Millisecond)
	held := residentKiB()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		fail(err.Error())
	}
	value((held - before) / float64(n))
	most("mappings", float64(bytes.Count(maps, []byte("\n"))))
	most("seconds", seconds)
	close(gate)
	done.Wait()
}
