package provider

import (
	"net/http"
	"slices"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
)

// scaleFunction starts a function, or stops it until its next call. One machine runs one instance of each:
// more are refused, not promised.
func (p *Provider) scaleFunction(w http.ResponseWriter, r *http.Request) error {
	var asked types.ScaleServiceRequest
	if err := readRequest(w, r, &asked); err != nil {
		return err
	}
	if err := inNamespace(r, asked.Namespace); err != nil {
		return err
	}
	s, err := p.registry.find(r.PathValue("name"))
	if err != nil {
		return err
	}
	name := s.deployment.Name
	switch {
	case asked.Replicas > 1:
		return fault.New(fault.Invalid, "one machine runs one instance of %s, not %d", name, asked.Replicas).At("replicas")
	case asked.Replicas == 1:
		return s.place.start(r.Context())
	case slices.Contains(p.config.Keep, name):
		return fault.New(fault.Forbidden, "%s is always kept running", name).At("replicas")
	}
	s.place.rest()
	return nil
}
