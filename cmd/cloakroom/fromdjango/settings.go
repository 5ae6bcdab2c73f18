// Package fromdjango translates a Django project's settings into Cloakroom's configuration.
package fromdjango

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// settings are the settings that the script prints.
type settings struct {
	SettingsModule     string `json:"settings_module"`
	Engine, Serializer string
	// Installed reports whether django.contrib.sessions is in INSTALLED_APPS.
	Installed        bool
	Cookie           map[string]any
	Age              age
	AtBrowserClose   bool     `json:"at_browser_close"`
	SaveEveryRequest bool     `json:"save_every_request"`
	FilePath         string   `json:"file_path"`
	UseTZ            bool     `json:"use_tz"`
	TimeZone         string   `json:"time_zone"`
	SecretKey        string   `json:"secret_key"`
	Fallbacks        []string `json:"fallbacks"`
	Login            location
	LogoutRedirect   location `json:"logout_redirect"`
	TrustedOrigins   []string `json:"trusted_origins"`
	Public           []djangoPage
	// Undeclared reports that views of allauth's cannot be told apart.
	Undeclared   bool
	StaticURL    string   `json:"static_url"`
	MediaURL     string   `json:"media_url"`
	AuthBackends []string `json:"auth_backends"`
	Database     database
	Cache        cache
	Users        *users
	// Libpq are the environment variables that libpq may read.
	Libpq map[string]string
	// project is the project's folder.
	project string
}

// age is SESSION_COOKIE_AGE.
type age struct {
	Seconds *int64 // nil: no whole number
	Text    string // as Python writes it
}

// options are options by name; nil is Python's None.
type options map[string]*string

// text returns an option, or "".
func (o options) text(name string) string {
	if v := o[name]; v != nil {
		return *v
	}
	return ""
}

//go:embed script/*.py
var scripts embed.FS

// script returns the files of the script as one program.
func script() (string, error) {
	entries, err := scripts.ReadDir("script") // sorted by name
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, entry := range entries {
		text, err := scripts.ReadFile("script/" + entry.Name())
		if err != nil {
			return "", err
		}
		b.Write(text)
		b.WriteString("\n\n")
	}
	return b.String(), nil
}

// ErrSettings is the error of a project whose settings cannot be read, or require what Cloakroom
// does not support.
var ErrSettings = errors.New("settings of Django")

// read runs the script, and with it the project's code, as manage.py does.
func read(ctx context.Context, o Options) (s settings, err error) {
	project, err := filepath.Abs(o.Project)
	if err != nil {
		return s, err
	}
	if strings.ContainsRune(o.Module, filepath.Separator) || strings.HasSuffix(o.Module, ".py") {
		return s, fmt.Errorf("%w: %s is a file: name the module as Python imports it, such as project.settings", ErrSettings, o.Module)
	}
	python, err := interpreter(o.Python, project)
	if err != nil {
		return s, fmt.Errorf("%w: --python: %w", ErrSettings, err)
	}
	program, err := script()
	if err != nil {
		return s, err
	}
	command := exec.CommandContext(ctx, python, "-c", program, o.Module, project)
	command.Dir = project
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	if err := command.Run(); err != nil {
		return s, fmt.Errorf("%w: %s, run in %s, ended with: %s", ErrSettings, python, project, cmp.Or(lastLine(log.String()), err.Error()))
	}
	var found struct {
		settings
		Problem *problem
	}
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		return s, fmt.Errorf("%w: %s is no interpreter of Python, or the settings ended it: it printed %.40q; name one with --python", ErrSettings, python, out.String())
	}
	if found.Problem != nil {
		found.Problem.python, found.Problem.project, found.Problem.module = python, project, o.Module
		return s, fmt.Errorf("%w: %w", ErrSettings, found.Problem)
	}
	found.project = project
	return found.settings, nil
}

// lastLine returns the last line of a text that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
