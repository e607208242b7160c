// Prints what gguf-parser-go thinks that llama.cpp takes on the CPU, in bytes: gguf_parser FILE CONTEXT.
package main

import (
	"fmt"
	"os"
	"strconv"

	parser "github.com/gpustack/gguf-parser-go"
)

func main() {
	context, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	file, err := parser.ParseGGUFFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	estimate := file.EstimateLLaMACppRun(
		parser.WithLLaMACppContextSize(int32(context)),
		parser.WithLLaMACppOffloadLayers(0),
	)
	// Weights included, without the command's flat 150 MiB for a process.
	fmt.Println(uint64(estimate.SummarizeItem(false, 0, 0).RAM.UMA))
}
