package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Printed is the output of `cloakroom config from-django --envoy`.
type Printed struct {
	// Text is the whole output, a bootstrap of Envoy with comments.
	Text string
	// Commands are the commands in the comments, quoted for a shell: migrate, then serve.
	Commands []string
	// Env are the variables in the comments, quoted for a shell: NAME='value'.
	Env []string
	dir string
}

// FromDjango runs `cloakroom config from-django --envoy --with-secrets` for the project.
func (p Project) FromDjango(ctx context.Context, args ...string) (*Printed, error) {
	cmd, err := p.command(ctx)
	if err != nil {
		return nil, err
	}
	python := cmd.Path
	if cmd.Path, err = Cloakroom(); err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	cmd.Dir = root // the module's path is relative to it
	cmd.Args = append([]string{cmd.Path, "config", "from-django", "--envoy", "--with-secrets", "--project", p.Dir, "--python", python}, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	printed := &Printed{Text: string(out), dir: filepath.Dir(cmd.Path)}
	for line := range strings.Lines(printed.Text) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "#   ")
		switch {
		case ok && strings.HasPrefix(text, "cloakroom "):
			printed.Commands = append(printed.Commands, text)
		case ok && variable.MatchString(text):
			printed.Env = append(printed.Env, text)
		}
	}
	return printed, nil
}

var variable = regexp.MustCompile(`^[A-Z_]+=`)

// StartService runs the printed commands in a shell, with the variables and the token. port is
// that of --service.
func (p *Printed) StartService(ctx context.Context, port int, token string) (*Process, error) {
	if len(p.Commands) != 2 {
		return nil, fmt.Errorf("from-django printed the commands %q: want migrate and serve", p.Commands)
	}
	return Start(ctx, Command{
		Name: "session service", Path: "/bin/bash", Args: []string{"-c", p.script(token, p.Commands[0]+"\nexec "+p.Commands[1])},
		Ready: Answers("http://127.0.0.1:"+strconv.Itoa(port)+"/readyz", ""),
	})
}

// Run runs a command in a shell, with the variables and the token, and returns its output.
func (p *Printed) Run(ctx context.Context, command, token string) (string, error) {
	out, err := exec.CommandContext(ctx, "/bin/bash", "-c", p.script(token, command)).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return string(out), err
}

// script returns the script for the shell.
func (p *Printed) script(token, commands string) string {
	script := fmt.Sprintf("set -e\nexport PATH=%q:\"$PATH\"\n", p.dir)
	for _, variable := range p.Env {
		script += "export " + variable + "\n"
	}
	return script + "export CLOAKROOM_TOKEN=" + token + "\n" + commands + "\n"
}
