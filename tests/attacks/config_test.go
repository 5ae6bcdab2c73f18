package attacks

import "cloakroom/internal/testenv"

// filterConfig is a worker with this configuration of the filter.
func filterConfig(config map[string]any, routes ...testenv.FilterRoute) testenv.FilterConfig {
	return testenv.FilterConfig{Config: config, Workers: 1, Routes: routes}
}
