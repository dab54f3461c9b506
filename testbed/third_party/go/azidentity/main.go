// Signs in with one class of azidentity and prints the token. Argument: the class.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func credential(class string) (azcore.TokenCredential, error) {
	switch class {
	case "DefaultAzureCredential":
		return azidentity.NewDefaultAzureCredential(nil)
	case "ManagedIdentityCredential":
		return azidentity.NewManagedIdentityCredential(nil)
	default:
		return azidentity.NewWorkloadIdentityCredential(nil)
	}
}

func main() {
	found, err := credential(os.Args[1])
	if err == nil {
		var token azcore.AccessToken
		token, err = found.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
		fmt.Println(token.Token)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
