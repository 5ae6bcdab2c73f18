// Command istio is Istio's control plane without Kubernetes, and istioctl's analysis: its own code,
// on manifests in files. It is a module of its own, since Istio's dependencies are not ours.
package main

import (
	"fmt"
	"os"
)

const usage = `usage: istio serve ADDRESS MESH FILE...   serve xDS; SIGHUP reads the files again
       istio analyze FILE...              validate, run every analyzer, and print what they say`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "istio:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 3 && args[0] == "serve":
		return serve(args[1], args[2], args[3:])
	case len(args) > 1 && args[0] == "analyze":
		return analyze(args[1:])
	}
	return fmt.Errorf("%s", usage)
}
