package main

import (
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// fileRead: n random reads of a page by 32 goroutines, in reads a second. The file and the way are further arguments.
func fileRead(n int) {
	const page, depth = 4096, 32
	flags := os.O_RDONLY
	if os.Args[4] == "direct" {
		flags |= syscall.O_DIRECT
	}
	file, err := os.OpenFile(os.Args[3], flags, 0)
	if err != nil {
		fail(err.Error())
	}
	info, err := file.Stat()
	if err != nil {
		fail(err.Error())
	}
	pages := uint64(info.Size() / page)
	run := func(each int) {
		var all sync.WaitGroup
		for reader := uint64(0); reader < depth; reader++ {
			all.Add(1)
			go func() {
				defer all.Done()
				room := make([]byte, 2*page)
				start := -uintptr(unsafe.Pointer(&room[0])) % page
				buffer := room[start : start+page]
				state := (reader + 1) * 0x9e3779b97f4a7c15
				for i := 0; i < each; i++ {
					state ^= state << 13
					state ^= state >> 7
					state ^= state << 17
					number := state % pages
					if _, err := file.ReadAt(buffer, int64(number*page)); err != nil {
						fail(err.Error())
					}
					if binary.LittleEndian.Uint64(buffer) != number {
						fail("fileRead: another page was read")
					}
				}
			}()
		}
		all.Wait()
	}
	each := n / depth
	run(each/20 + 1)
	began := time.Now()
	run(each)
	value(float64(each*depth) / time.Since(began).Seconds())
}
