//! Signs in with one class of azure_identity and prints the token. Argument: the class.
use azure_core::credentials::TokenCredential;
use azure_identity::{DeveloperToolsCredential, ManagedIdentityCredential, WorkloadIdentityCredential};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let credential: Arc<dyn TokenCredential> = match std::env::args().nth(1).as_deref() {
        Some("ManagedIdentityCredential") => ManagedIdentityCredential::new(None)?,
        Some("DeveloperToolsCredential") => DeveloperToolsCredential::new(None)?,
        _ => WorkloadIdentityCredential::new(None)?,
    };
    let token = credential.get_token(&["https://graph.microsoft.com/.default"], None).await?;
    println!("{}", token.token.secret());
    Ok(())
}
