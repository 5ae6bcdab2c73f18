// Command coraza is the OWASP Coraza web application firewall as its authors
// made it for proxy-wasm, built by upstream Go.
package main

import (
	"github.com/corazawaf/coraza-proxy-wasm/wasmplugin"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	_ "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

func main() {}

func init() { proxywasm.SetVMContext(wasmplugin.NewVMContext()) }
