// Package fromdjango makes Cloakroom's configuration of a Django project's
// settings.
package fromdjango

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed settings.py
var script string

// settings are what settings.py prints.
type settings struct {
	Engine, Serializer string
	Cookie             map[string]any
	Age                int64
	AtBrowserClose     bool     `json:"at_browser_close"`
	SaveEveryRequest   bool     `json:"save_every_request"`
	FilePath           string   `json:"file_path"`
	UseTZ              bool     `json:"use_tz"`
	SecretKey          string   `json:"secret_key"`
	Fallbacks          []string `json:"fallbacks"`
	LoginURL           string   `json:"login_url"`
	LogoutRedirect     string   `json:"logout_redirect"`
	AuthBackends       []string `json:"auth_backends"`
	Database           database
	Cache              cache
	Users              *users
}

type database struct{ Engine, Host, Port, User, Password, Name string }

type cache struct {
	Backend            string
	Locations          []string
	KeyPrefix          string `json:"key_prefix"`
	Version            int
	KeyFunction        bool `json:"key_function"`
	Username, Password string
}

type users struct {
	Table    string
	Columns  []string
	Database database
}

// ErrSettings says that a project's settings cannot be read, or ask for what
// Cloakroom has not.
var ErrSettings = errors.New("settings of Django")

// read lets the project's Python import the settings. It runs the project's
// code, as manage.py would.
func read(ctx context.Context, python, project, module string) (s settings, err error) {
	if project, err = filepath.Abs(project); err != nil {
		return s, err
	}
	command := exec.CommandContext(ctx, python, "-c", script, module, project)
	command.Dir = project
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return s, fmt.Errorf("%w: %s could not import %s in %s: %s%s", ErrSettings, python, module, project, lastLine(problems.String(), err), hint(problems.String()))
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return s, nil
}

// lastLine is where Python says what went wrong.
func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

// hint says what to do about an error.
func hint(problem string) string {
	switch {
	case strings.Contains(problem, "No module named 'django'"):
		return "; name the project's own interpreter with --python"
	case strings.Contains(problem, "No module named"):
		return "; name the folder with manage.py in it with --project"
	}
	return ""
}
