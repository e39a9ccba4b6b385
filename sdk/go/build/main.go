// Command build makes a component of the sink in the current folder: go run kubedl-events.io/sink/build NAME.wasm
//
// It needs kubedl-events on the PATH, or its path in KUBEDL_EVENTS.
package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run kubedl-events.io/sink/build NAME.wasm")
		os.Exit(2)
	}
	if err := build(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func build(output string) error {
	folder, err := os.MkdirTemp("", "sink")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	core := filepath.Join(folder, "core.wasm")
	// checklinkname=0: the bindings reach into the runtime for its memory ("invalid reference to runtime.sbrk" without it).
	err = run("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w -checklinkname=0", "-o", core, ".")
	if err != nil {
		return fmt.Errorf("cannot compile the sink: %w", err)
	}
	program := cmp.Or(os.Getenv("KUBEDL_EVENTS"), "kubedl-events")
	if err := run(program, "sink", "component", core, "--output", output); err != nil {
		return fmt.Errorf("cannot make a component of it by %s: %w", program, err)
	}
	return nil
}

func run(program string, args ...string) error {
	command := exec.Command(program, args...)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}
