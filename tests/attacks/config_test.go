package attacks

import "cloakroom/tests/stack"

// filterConfig is a worker with this configuration of the filter.
func filterConfig(config map[string]any, routes ...stack.FilterRoute) stack.FilterConfig {
	return stack.FilterConfig{Config: config, Workers: 1, Routes: routes}
}
