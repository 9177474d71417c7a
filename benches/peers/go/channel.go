package main

import (
	"sync"
	"time"
)

// channelPair: a question and its answer through channels of 1.
func channelPair(n int) (time.Duration, int) {
	ping, pong := make(chan int, 1), make(chan int, 1)
	go func() {
		for number := range ping {
			pong <- number
		}
	}()
	began := time.Now()
	for i := 0; i < n; i++ {
		ping <- i
		<-pong
	}
	elapsed := time.Since(began)
	close(ping)
	return elapsed, n
}

// channelMany gives the time for n messages between so many producers and as many consumers.
func channelMany(sides, capacity, n int) time.Duration {
	messages := make(chan int, capacity)
	var producers, consumers sync.WaitGroup
	producers.Add(sides)
	consumers.Add(sides)
	began := time.Now()
	for i := 0; i < sides; i++ {
		go func() {
			for number := 0; number < n/sides; number++ {
				messages <- number
			}
			producers.Done()
		}()
		go func() {
			for range messages {
			}
			consumers.Done()
		}()
	}
	producers.Wait()
	close(messages)
	consumers.Wait()
	return time.Since(began)
}

// channelRate prints millions of messages a second.
func channelRate(sides, capacity, n int) {
	channelMany(sides, capacity, n/20+sides)
	elapsed := channelMany(sides, capacity, n)
	value(float64(n) / elapsed.Seconds() / 1e6)
}

func channelNode(to chan<- int, first, size int) {
	if size == 1 {
		to <- first
		return
	}
	from := make(chan int, 10)
	part := size / 10
	for i := 0; i < 10; i++ {
		go channelNode(from, first+i*part, part)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-from
	}
	to <- sum
}

// channelSkynet prints the time in ms of the second of two trees.
func channelSkynet(leaves int) {
	to := make(chan int, 1)
	channelNode(to, 0, leaves)
	<-to
	began := time.Now()
	channelNode(to, 0, leaves)
	elapsed := time.Since(began)
	if <-to != leaves*(leaves-1)/2 {
		fail("skynet: wrong sum")
	}
	value(float64(elapsed.Nanoseconds()) / 1e6)
}
