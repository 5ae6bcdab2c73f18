module cloakroom

go 1.26

require (
	github.com/tetratelabs/proxy-wasm-go-sdk v0.24.0
	github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo v0.0.0
	github.com/tetratelabs/wazero v1.12.0
)

replace github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo => ./plugin/sdk
