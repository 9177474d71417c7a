// The same work in Go. Usage: go-peers WORK COUNT; it prints lines that the runner reads. GOMAXPROCS is set by the
// runner.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Each takes a count and prints its sample. All but those that measure memory or serve warm up first.
var works = map[string]func(n int){
	"yield-pair":    warm(yieldPair),
	"yield-many":    warm(yieldMany),
	"ping-pong":     warm(pingPong),
	"spawn-join":    warm(spawnJoin),
	"spawn-batch":   warm(spawnBatch),
	"spawn-latency": spawnLatency,
	"skynet-10":     func(n int) { skynetWarm(10, n) },
	"skynet-2":      func(n int) { skynetWarm(2, n) },
	"channel-pair":  warm(channelPair),
	"channel-1x1":   func(n int) { channelRate(1, 1024, n) },
	"channel-8x8":   func(n int) { channelRate(8, 64, n) },
	"mutex":         warm(mutexAlone),
	"mutex-64":      warm(mutexTogether),
	"parked":        parked,
	"sleepers":      sleepers,
	"hog":           hog,
	"file-read":     fileRead,

	"skynet-channels": channelSkynet,
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: go-peers WORK [COUNT]")
	}
	switch os.Args[1] {
	case "echo":
		echo(os.Args[2:])
		return
	case "udp":
		udp()
		return
	case "http":
		serveHTTP()
		return
	case "accept":
		accept()
		return
	case "idle":
		idle()
		return
	}
	work, ok := works[os.Args[1]]
	if !ok || len(os.Args) < 3 {
		fail("no such work")
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err.Error())
	}
	work(n)
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

// warm runs a twentieth of the work first; the work gives the time and the number of operations.
func warm(work func(n int) (time.Duration, int)) func(n int) {
	return func(n int) {
		work(n/20 + 1)
		elapsed, operations := work(n)
		value(float64(elapsed.Nanoseconds()) / float64(operations))
	}
}

func value(v float64) {
	fmt.Println("value", strconv.FormatFloat(v, 'f', -1, 64))
}

func most(name string, v float64) {
	fmt.Println("max", name, strconv.FormatFloat(v, 'f', -1, 64), 1)
}
