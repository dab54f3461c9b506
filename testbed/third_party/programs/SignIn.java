import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.identity.WorkloadIdentityCredentialBuilder;

/** Signs in with one class of azure-identity and prints the token. Argument: the class. */
public class SignIn {
    public static void main(String[] arguments) {
        TokenCredential credential = switch (arguments[0]) {
            case "DefaultAzureCredential" -> new DefaultAzureCredentialBuilder().build();
            case "ManagedIdentityCredential" -> new ManagedIdentityCredentialBuilder().build();
            default -> new WorkloadIdentityCredentialBuilder().build();
        };
        var request = new TokenRequestContext().addScopes("https://graph.microsoft.com/.default");
        System.out.println(credential.getToken(request).block().getToken());
        System.exit(0); // threads of its HTTP client would live on for a while
    }
}
