package fromdjango

import (
	"fmt"
	"strings"
)

// problem is the reason why the script cannot read something.
type problem struct {
	// What is the setting; "" for the settings module itself.
	What string
	// Line is Python's own line for the exception.
	Line string `json:"error"`
	// Place is the innermost line of the project's code.
	Place string
	// Missing is the module that was not found.
	Missing string
	// Variable is the name of a missing environment variable.
	Variable string
	// Exits reports that the project's code ended the process.
	Exits bool

	python, project, module string
}

// Error implements error: what could not be read, Python's line, what to do.
func (p *problem) Error() string {
	var b strings.Builder
	if p.What == "" {
		fmt.Fprintf(&b, "%s could not import %s in %s", p.python, p.module, p.project)
	} else {
		b.WriteString(p.What)
	}
	b.WriteString(": " + p.Line)
	if p.Place != "" {
		fmt.Fprintf(&b, " (%s)", p.Place)
	}
	if advice := p.advice(); advice != "" {
		b.WriteString("; " + advice)
	}
	return b.String()
}

// advice returns what to do about the problem.
func (p *problem) advice() string {
	switch {
	case strings.Contains(p.Line, "Error loading MySQLdb") || p.Missing == "oracledb" || p.Missing == "cx_Oracle":
		return p.otherPython("that driver") + "; sessions and accounts can be in SQLite and PostgreSQL alone"
	case p.Missing == "django":
		return p.otherPython("")
	case p.Missing != "" && (p.Missing == p.module || strings.HasPrefix(p.module, p.Missing+".")):
		return "name the folder with manage.py in it with --project"
	case p.Missing != "":
		return p.otherPython(p.Missing) + ", or the folder with manage.py in it with --project"
	case p.Variable != "":
		return "set " + p.Variable + ", and whatever else is in the environment of the project's own processes (manage.py may read it from a file)"
	case p.Exits:
		return "the settings end the process: run this with the environment and the files of the project's own processes"
	case strings.Contains(p.Line, "Error loading") || strings.Contains(p.Line, "Could not find the GDAL"):
		return p.otherPython("that driver")
	case strings.Contains(p.Line, "environment variable") || strings.Contains(p.Line, "envvar"):
		return "run this with the environment of the project's own processes"
	case strings.Contains(p.Line, "FileNotFoundError: ") || strings.Contains(p.Line, "PermissionError: "):
		return "run this where the project's files and folders are, as a user who may read them"
	}
	return remedies[strings.Split(p.What, ",")[0]]
}

// otherPython returns how to run a Python that has a module.
func (p *problem) otherPython(module string) string {
	name := "name the project's own interpreter with --python"
	if own := ownEnvironment(p.project); own != "" && !strings.HasPrefix(p.python, own) {
		name += " " + own
	}
	if module == "" {
		return name
	}
	return fmt.Sprintf("install %s for %s, or %s", module, p.python, name)
}

// remedies are what to do about settings that cannot be read.
var remedies = map[string]string{
	"DJANGO_SETTINGS_MODULE": "name the settings module as the argument, such as project.settings",
	"LOGIN_URL":              "name a pattern in ROOT_URLCONF, or write the path",
	"LOGOUT_REDIRECT_URL":    "name a pattern in ROOT_URLCONF, or write the path",
	"DATABASE_ROUTERS":       "the routers must work for this model without a request",
	"SESSION_CACHE_ALIAS":    "name a cache of CACHES",
	"SECRET_KEY":             "Cloakroom reads keys from the environment, as UTF-8",
	"SECRET_KEY_FALLBACKS":   "Cloakroom reads keys from the environment, as UTF-8",
}
