package guest

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/tetratelabs/wazero"
)

// Load compiles and checks the modules of the plugins. hostModules are the functions that they
// may import, by module and name. It must be called once.
func (r *Runtime) Load(ctx context.Context, plugins []*Plugin, hostModules map[string]map[string]HostCall) error {
	for _, p := range plugins {
		module, err := r.wazero.CompileModule(ctx, p.Wasm)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLoad, err)
		}
		if err := errors.Join(checkABI(module), checkImports(module, hostModules)); err != nil {
			return err
		}
		p.module, p.vmKey = module, vmKeyOf(p)
	}
	return instantiateHost(ctx, r.wazero, hostModules)
}

// instantiateHost defines the host modules in the runtime.
func instantiateHost(ctx context.Context, r wazero.Runtime, modules map[string]map[string]HostCall) error {
	for module, calls := range modules {
		b := r.NewHostModuleBuilder(module)
		for name, call := range calls {
			params, results := call.Signature()
			b.NewFunctionBuilder().WithGoModuleFunction(call.goFunction(name), params, results).Export(name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("%w: host module %s: %w", ErrLoad, module, err)
		}
	}
	return nil
}

// checkImports returns an error for a module that imports what the host does not offer.
func checkImports(m wazero.CompiledModule, modules map[string]map[string]HostCall) error {
	var unknown []string
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		call, found := modules[module][name]
		if !found {
			unknown = append(unknown, module+"."+name)
			continue
		}
		params, results := call.Signature()
		if string(params) != string(f.ParamTypes()) || string(results) != string(f.ResultTypes()) {
			unknown = append(unknown, module+"."+name+" (with another signature)")
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return fmt.Errorf("%w: the module imports what the host does not offer: %s", ErrLoad, strings.Join(unknown, ", "))
	}
	return nil
}

// checkABI returns an error unless the module was made for ABI 0.2.0 or 0.2.1.
func checkABI(m wazero.CompiledModule) error {
	var found []string
	for name := range m.ExportedFunctions() {
		if version, yes := strings.CutPrefix(name, "proxy_abi_version_"); yes {
			found = append(found, strings.ReplaceAll(version, "_", "."))
		}
	}
	sort.Strings(found)
	switch {
	case len(found) == 0:
		return fmt.Errorf("%w: no proxy_abi_version_… export: this is not a proxy-wasm module", ErrLoad)
	case len(found) == 1 && (found[0] == "0.2.0" || found[0] == "0.2.1"):
		return nil
	}
	return fmt.Errorf("%w: proxy-wasm ABI %s is not supported; 0.2.0 and 0.2.1 are", ErrLoad, strings.Join(found, " and "))
}
