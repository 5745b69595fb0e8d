// A stand-in for Argo Rollouts' plugin of the Gateway API: it speaks the plugins' protocol, and writes a step's weight
// into the HTTPRoute that the Rollout names. It is built inside Argo Rollouts' own module (bin/setup-tools).
package main

import (
	"context"
	"encoding/json"
	"fmt"

	goPlugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

const name = "argoproj-labs/gatewayAPI"

var routes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

type router struct{ client dynamic.Interface }

// What the Rollout says about its route.
type settings struct {
	HTTPRoute string `json:"httpRoute"`
	Namespace string `json:"namespace"`
}

func (r *router) InitPlugin() types.RpcError {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err == nil {
		r.client, err = dynamic.NewForConfig(config)
	}
	return failure(err)
}

func (r *router) SetWeight(rollout *v1alpha1.Rollout, weight int32, _ []v1alpha1.WeightDestination) types.RpcError {
	var at settings
	canary := rollout.Spec.Strategy.Canary
	if err := json.Unmarshal(canary.TrafficRouting.Plugins[name], &at); err != nil {
		return failure(err)
	}
	client := r.client.Resource(routes).Namespace(at.Namespace)
	route, err := client.Get(context.Background(), at.HTTPRoute, metav1.GetOptions{})
	if err != nil {
		return failure(err)
	}
	weights := map[string]int64{canary.StableService: int64(100 - weight), canary.CanaryService: int64(weight)}
	changed, err := rewrite(route, weights)
	if err == nil && changed {
		_, err = client.Update(context.Background(), route, metav1.UpdateOptions{FieldManager: "gateway-plugin"})
	}
	return failure(err)
}

// rewrite sets the weights of the backends of these names, in every rule.
func rewrite(route *unstructured.Unstructured, weights map[string]int64) (bool, error) {
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
	if err != nil {
		return false, err
	}
	changed, found := false, map[string]bool{}
	for _, rule := range rules {
		backends, there, err := unstructured.NestedSlice(rule.(map[string]any), "backendRefs")
		if err != nil || !there {
			continue
		}
		for _, backend := range backends {
			backend := backend.(map[string]any)
			service, _ := backend["name"].(string)
			if weight, ours := weights[service]; ours {
				found[service] = true
				changed = changed || backend["weight"] != weight
				backend["weight"] = weight
			}
		}
		rule.(map[string]any)["backendRefs"] = backends
	}
	if len(found) != len(weights) {
		return false, fmt.Errorf("the route %s does not lead to both versions", route.GetName())
	}
	return changed, unstructured.SetNestedSlice(route.Object, rules, "spec", "rules")
}

func (r *router) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) types.RpcError {
	return types.RpcError{}
}

func (r *router) VerifyWeight(*v1alpha1.Rollout, int32, []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	return types.NotImplemented, types.RpcError{}
}

func (r *router) SetHeaderRoute(*v1alpha1.Rollout, *v1alpha1.SetHeaderRoute) types.RpcError {
	return types.RpcError{ErrorString: "routes by header are not part of this stand-in"}
}

func (r *router) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) types.RpcError {
	return types.RpcError{ErrorString: "mirrors are not part of this stand-in"}
}

func (r *router) RemoveManagedRoutes(*v1alpha1.Rollout) types.RpcError { return types.RpcError{} }

func (r *router) Type() string { return "gatewayAPI" }

func failure(err error) types.RpcError {
	if err == nil {
		return types.RpcError{}
	}
	return types.RpcError{ErrorString: err.Error()}
}

func main() {
	goPlugin.Serve(&goPlugin.ServeConfig{
		HandshakeConfig: goPlugin.HandshakeConfig{
			ProtocolVersion: 1, MagicCookieKey: "ARGO_ROLLOUTS_RPC_PLUGIN", MagicCookieValue: "trafficrouter",
		},
		Plugins: map[string]goPlugin.Plugin{"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{Impl: &router{}}},
	})
}
