package testenv

import (
	"context"
	"io"
	"strconv"
)

// StartWhoami starts the demonstration's Go service.
func StartWhoami(ctx context.Context, binary string, port int, tee io.Writer) (*Process, error) {
	address := "127.0.0.1:" + strconv.Itoa(port)
	return Start(ctx, Command{
		Name:  "whoami",
		Path:  binary,
		Args:  []string{"--listen", address},
		Tee:   tee,
		Ready: Answers("http://"+address+"/go/whoami", ""),
	})
}
