// Gets tokens as a program in a pod with `m365-identity serve` does, with nothing but the SDK's managed identity.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Arguments: the scope, and a client id to ask for as well. Prints a token a line.
func main() {
	identities := []azidentity.ManagedIDKind{nil}
	if len(os.Args) > 2 {
		identities = append(identities, azidentity.ClientID(os.Args[2]))
	}
	for _, id := range identities {
		credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
			ClientOptions: azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}},
			ID:            id,
		})
		if err == nil {
			var token azcore.AccessToken
			token, err = credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{os.Args[1]}})
			fmt.Println(token.Token)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
