// Command reference is a mutating webhook of the usual kind, for `python -m bench` to measure ours against.
//
// It is what controller-runtime's own guide makes of the task: an admission.Handler that decodes the pod into
// corev1.Pod, changes that, marshals it, and lets PatchResponseFromRaw compare the two documents. It injects what
// Azure's workload identity webhook injects: four variables, a projected token volume and its mount. ServiceAccounts
// come from a map, where a real one has a cache that watches the API server: only the work on a review is measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	prefix     = "azure.workload.identity/"
	volumeName = "azure-identity-token"
	mountPath  = "/var/run/secrets/azure/tokens"
	audience   = "api://AzureADTokenExchange"
	authority  = "https://login.microsoftonline.com/"
)

// accounts maps NAMESPACE/NAME of a ServiceAccount to its client id; a flag that may be given any number of times.
type accounts map[string]string

func (a accounts) String() string { return fmt.Sprint(map[string]string(a)) }

func (a accounts) Set(text string) error {
	name, clientID, found := strings.Cut(text, "=")
	if !found || !strings.Contains(name, "/") {
		return errors.New("expected NAMESPACE/NAME=CLIENT_ID")
	}
	a[name] = clientID
	return nil
}

// mutator answers admission requests for pods.
type mutator struct {
	decoder  admission.Decoder
	accounts accounts
	tenantID string
}

// Handle implements admission.Handler.
func (m *mutator) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := m.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	clientID, found := m.accounts[request.Namespace+"/"+account]
	if !found {
		err := fmt.Errorf("ServiceAccount %s/%s not found", request.Namespace, account)
		return admission.Errored(http.StatusBadRequest, err)
	}
	expiration, err := expirationOf(pod)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	m.mutate(pod, clientID, expiration)
	marshaled, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, marshaled)
}

func (m *mutator) mutate(pod *corev1.Pod, clientID string, expiration int64) {
	variables := []corev1.EnvVar{
		{Name: "AZURE_CLIENT_ID", Value: clientID},
		{Name: "AZURE_TENANT_ID", Value: m.tenantID},
		{Name: "AZURE_FEDERATED_TOKEN_FILE", Value: mountPath + "/" + volumeName},
		{Name: "AZURE_AUTHORITY_HOST", Value: authority},
	}
	skipped := map[string]struct{}{}
	for _, name := range strings.Split(pod.Annotations[prefix+"skip-containers"], ";") {
		skipped[strings.TrimSpace(name)] = struct{}{}
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if _, skip := skipped[containers[i].Name]; !skip {
				inject(&containers[i], variables)
			}
		}
	}
	if slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volumeName }) {
		return
	}
	token := &corev1.ServiceAccountTokenProjection{Audience: audience, ExpirationSeconds: &expiration, Path: volumeName}
	projected := &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: token}}}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{
		Name:         volumeName,
		VolumeSource: corev1.VolumeSource{Projected: projected},
	})
}

func inject(container *corev1.Container, variables []corev1.EnvVar) {
	for _, variable := range variables {
		same := func(present corev1.EnvVar) bool { return present.Name == variable.Name }
		if variable.Value != "" && !slices.ContainsFunc(container.Env, same) {
			container.Env = append(container.Env, variable)
		}
	}
	mounted := func(present corev1.VolumeMount) bool { return present.Name == volumeName }
	if !slices.ContainsFunc(container.VolumeMounts, mounted) {
		mount := corev1.VolumeMount{Name: volumeName, MountPath: mountPath, ReadOnly: true}
		container.VolumeMounts = append(container.VolumeMounts, mount)
	}
}

func expirationOf(pod *corev1.Pod) (int64, error) {
	text := pod.Annotations[prefix+"service-account-token-expiration"]
	if text == "" {
		return 3600, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (seconds < 3600 || seconds > 86400) {
		err = fmt.Errorf("token expiration %d not valid. Expected value to be between 3600 and 86400", seconds)
	}
	return seconds, err
}

func main() {
	known := accounts{}
	listen := flag.String("listen", "127.0.0.1:9443", "where reviews are posted, with TLS")
	opsListen := flag.String("ops-listen", "127.0.0.1:8080", "where /readyz is read, without TLS")
	certificate := flag.String("tls-cert", "", "certificate chain to serve")
	key := flag.String("tls-key", "", "its private key")
	tenantID := flag.String("tenant-id", "", "tenant of every ServiceAccount")
	version := flag.Bool("version", false, "print the release of Go that built this, and end")
	flag.Var(known, "account", "NAMESPACE/NAME=CLIENT_ID of a ServiceAccount; may be repeated")
	flag.Parse()
	if *version {
		fmt.Println(runtime.Version())
		return
	}

	ctrllog.SetLogger(logr.Discard()) // a line for each review is level 5 there, off unless one debugs
	scheme := apiruntime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil { // as a manager does
		log.Fatal(err)
	}
	handler := &mutator{decoder: admission.NewDecoder(scheme), accounts: known, tenantID: *tenantID}
	options := admission.StandaloneOptions{MetricsPath: "/mutate-v1-pod"} // counted and timed, as under a manager
	webhook, err := admission.StandaloneWebhook(&admission.Webhook{Handler: handler}, options)
	if err != nil {
		log.Fatal(err)
	}
	reviews := http.NewServeMux()
	reviews.Handle("/mutate-v1-pod", webhook)
	probes := http.NewServeMux()
	probes.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	go func() { log.Fatal(http.ListenAndServe(*opsListen, probes)) }()
	log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *key, reviews))
}
