//! Reads kubeconfigs, and a Pod's service account, as kubectl does. kube's own reading is the base;
//! where it takes less than kubectl, this mends it.

mod files;
mod lenient;

use std::path::PathBuf;

use http::{HeaderValue, Uri};
use kube::config::{
    AuthInfo, AuthProviderConfig, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use serde_json::Value;

use super::credentials::Source;
use super::issued::{basic, bearer};
use super::pem;
use super::place::Place;
use super::plugin::Plugin;
use super::proxy::login_of;
use files::{Variable, read, usual};

/// What kubeconfigs say.
pub(super) struct Found {
    /// Without credentials but the certificate of a client.
    pub config: kube::Config,
    pub source: Source,
    /// `proxy-url` of the cluster.
    pub proxy: Option<String>,
    /// It is a Pod's service account.
    pub in_cluster: bool,
}

/// What to do where there is nothing to find a cluster by.
const ADVICE: &str =
    "Give --kubeconfig FILE, set KUBECONFIG, or run in a Pod with a service account";

/// Of a service account (k8s.io/client-go/rest, InClusterConfig).
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// `--kubeconfig`, else KUBECONFIG, else `~/.kube/config`, else the Pod's service account. The
/// error is a part of a sentence.
pub(super) fn find(place: &Place, variable: Variable) -> Result<Found, String> {
    let (merged, missing) = match &place.kubeconfig {
        Some(path) => (
            read(path)?
                .ok_or_else(|| format!("there is no kubeconfig at {}. {ADVICE}", path.display()))?,
            Vec::new(),
        ),
        None => usual(variable)?,
    };
    let chosen = place
        .context
        .clone()
        .or_else(|| merged.current_context.clone())
        .filter(|name| !name.is_empty());
    let Some(chosen) = chosen else {
        if place.kubeconfig.is_none() && variable("KUBERNETES_SERVICE_HOST").is_some() {
            return in_cluster();
        }
        if merged.contexts.is_empty() {
            return Err(without_contexts(place, &missing));
        }
        return Err(format!(
            "the kubeconfig has no current-context: choose one of {} with --context",
            names(&merged)
        ));
    };
    if merged.contexts.is_empty() {
        return Err(without_contexts(place, &missing));
    }
    let context = find_context(&merged, &chosen)?;
    let cluster = find_cluster(&merged, &context, &chosen)?;
    // As for client-go, a user that is not there is none.
    let user = merged
        .auth_infos
        .into_iter()
        .find(|named| Some(&named.name) == context.user.as_ref())
        .and_then(|named| named.auth_info);
    let context = NamedContext {
        name: chosen,
        context: Some(context),
        ..NamedContext::default()
    };
    of_parts(
        context,
        lenient::cleaned(cluster),
        lenient::cleaned(user.unwrap_or_default()),
    )
}

fn find_context(merged: &Kubeconfig, chosen: &str) -> Result<Context, String> {
    let context = merged
        .contexts
        .iter()
        .find(|named| named.name == chosen)
        .and_then(|named| named.context.clone());
    context.ok_or_else(|| {
        format!(
            "the kubeconfig has no context {chosen:?}, but {}: choose one with --context",
            names(merged)
        )
    })
}

fn find_cluster(merged: &Kubeconfig, context: &Context, chosen: &str) -> Result<Cluster, String> {
    let cluster = merged
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.clone());
    cluster.ok_or_else(|| {
        format!(
            "the kubeconfig has no cluster {:?}, which its context {chosen:?} names",
            context.cluster
        )
    })
}

/// What to say of a kubeconfig that has none.
fn without_contexts(place: &Place, missing: &[PathBuf]) -> String {
    let places: Vec<String> = missing
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    match (&place.kubeconfig, places.is_empty()) {
        (Some(path), _) => format!("{} has no context", path.display()),
        (None, true) => format!(
            "the kubeconfig has no context, and there is no service account of a Pod. {ADVICE}"
        ),
        (None, false) => format!(
            "there is no kubeconfig at {}, and no service account of a Pod. {ADVICE}",
            places.join(", ")
        ),
    }
}

fn names(merged: &Kubeconfig) -> String {
    let names: Vec<String> = merged
        .contexts
        .iter()
        .map(|named| format!("{:?}", named.name))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn of_parts(context: NamedContext, mut cluster: Cluster, user: AuthInfo) -> Result<Found, String> {
    let server = cluster
        .server
        .take()
        .ok_or("the kubeconfig's cluster has no server")?;
    // As client-go: by TLS where something of TLS is given.
    let authority =
        cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
    let own = user.client_certificate.is_some() || user.client_certificate_data.is_some();
    let secure = authority || own || cluster.insecure_skip_tls_verify == Some(true);
    let (url, login) = server_url(&server, secure)?;
    cluster.server = Some(url.to_string());
    if cluster.insecure_skip_tls_verify != Some(true) {
        pem::check_authorities(&cluster)?;
    }
    // kube would take one from the environment, and judges it otherwise than Go: `Proxy` does that.
    let proxy = cluster.proxy_url.replace("http://none".to_owned());
    let name = || "it".to_owned();
    let named = context.context.clone().unwrap_or_default();
    let kubeconfig = Kubeconfig {
        current_context: Some(context.name.clone()),
        clusters: vec![NamedCluster {
            name: named.cluster.clone(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: named.user.clone().unwrap_or_else(name),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![context],
        ..Kubeconfig::default()
    };
    let mut config = kube::Config::try_from(kubeconfig).map_err(|why| why.to_string())?;
    (config.cluster_url, config.proxy_url) = (url, None);
    if config.default_namespace.is_empty() {
        "default".clone_into(&mut config.default_namespace);
    }
    if let Some(cluster) = config
        .auth_info
        .exec
        .as_mut()
        .and_then(|exec| exec.cluster.as_mut())
    {
        cluster.proxy_url.clone_from(&proxy);
    }
    let source = source(&mut config.auth_info, login)?;
    Ok(Found {
        config,
        source,
        proxy,
        in_cluster: false,
    })
}

/// The URL of a server, and the user and password in it. Without a scheme it is one of HTTP, as for
/// kubectl, or of HTTPS where `secure`.
fn server_url(text: &str, secure: bool) -> Result<(Uri, Option<(String, String)>), String> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest))
            if ["http", "https"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        Some((scheme, _)) => {
            return Err(format!(
                "the server of the kubeconfig's cluster begins with {scheme}://, and must be https or http"
            ));
        }
        None => (if secure { "https" } else { "http" }.to_owned(), text),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (whole, path) = rest.split_at(end);
    let (login, place) = whole
        .rsplit_once('@')
        .map_or((None, whole), |(login, place)| (Some(login), place));
    let refuse = || {
        format!(
            "the server of the kubeconfig's cluster is not a URL: {place}{path}. Write such as https://HOST:6443"
        )
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let url: Uri = format!("{scheme}://{place}{path}")
        .parse()
        .map_err(|_| refuse())?;
    let host = url
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(refuse)?;
    if place != host && url.port_u16().is_none_or(|port| port == 0) {
        return Err(refuse());
    }
    Ok((url, login.map(login_of)))
}

/// Takes credentials out of what kube would read them from, in the order of client-go.
fn source(user: &mut AuthInfo, login: Option<(String, String)>) -> Result<Source, String> {
    let plain = serde_json::to_value(&*user).unwrap_or_default();
    let text = |key: &str| {
        plain
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .filter(|text| !text.is_empty())
    };
    let (provider, exec, file) = (
        user.auth_provider.take(),
        user.exec.take(),
        user.token_file.take(),
    );
    (user.token, user.username, user.password) = (None, None, None);
    if let Some(provider) = provider {
        return of_provider(&provider).map(Source::Fixed);
    }
    let file = file.filter(|path| !path.is_empty()).map(PathBuf::from);
    // A file that can be read wins (transport/round_trippers.go,
    // `NewBearerAuthWithRefreshRoundTripper`).
    match (file, text("token")) {
        (Some(file), None) => return Ok(Source::File(file)),
        (Some(file), Some(_)) if std::fs::read(&file).is_ok() => return Ok(Source::File(file)),
        (_, Some(token)) => {
            return bearer(&token, "the token of the kubeconfig's user").map(Source::Fixed);
        }
        (None, None) => {}
    }
    if let Some(exec) = exec {
        return Plugin::try_from(&exec).map(|plugin| Source::Plugin(Box::new(plugin)));
    }
    match text("username")
        .map(|name| (name, text("password").unwrap_or_default()))
        .or(login)
    {
        Some((name, password)) => basic(&name, &password).map(Source::Fixed),
        None => Ok(Source::Nothing),
    }
}

/// What these providers cached. kubectl has left out those of clouds in 1.26.
fn of_provider(provider: &AuthProviderConfig) -> Result<HeaderValue, String> {
    let AuthProviderConfig { name, config, .. } = provider;
    let cached = if name == "oidc" || config.contains_key("id-token") {
        "id-token"
    } else {
        "access-token"
    };
    let whose = format!("the {cached} of the auth provider {name:?} of the kubeconfig's user");
    match config.get(cached) {
        Some(token) => bearer(token, &whose),
        None => Err(format!(
            "{whose} is not there, and this program gets none by itself: log in with what wrote the kubeconfig, or use a credential plugin (exec), such as \
             gke-gcloud-auth-plugin or kubelogin"
        )),
    }
}

fn in_cluster() -> Result<Found, String> {
    let mut config = kube::Config::incluster()
        .map_err(|why| format!("the Pod's service account can't be used: {why}"))?;
    config.default_namespace = config.default_namespace.trim().to_owned();
    // Read again after a failure, with the rest.
    config.root_cert_file = None;
    config.auth_info.token_file = None;
    Ok(Found {
        config,
        source: Source::File(PathBuf::from(TOKEN)),
        proxy: None,
        in_cluster: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_as_kubectl_reads_it() {
        let read = |text: &str, secure| {
            server_url(text, secure)
                .map(|(url, login)| (url.to_string(), login.map(|(user, _)| user)))
        };
        for (text, secure, wanted) in [
            ("127.0.0.1:7001", false, "http://127.0.0.1:7001/"),
            ("api.example", true, "https://api.example/"),
            (
                "localhost:8080/prefix",
                false,
                "http://localhost:8080/prefix",
            ),
            (
                "HTTPS://api.example:6443",
                false,
                "https://api.example:6443/",
            ),
            (
                " https://api.example:6443/k8s/c?x=1#y\n",
                false,
                "https://api.example:6443/k8s/c",
            ),
            ("[::1]:6443", false, "http://[::1]:6443/"),
        ] {
            assert_eq!(read(text, secure), Ok((wanted.to_owned(), None)), "{text}");
        }
        assert_eq!(
            read("https://u%40x:p@api.example", false),
            Ok(("https://api.example/".to_owned(), Some("u@x".to_owned())))
        );
        for bad in [
            "",
            "/path",
            "https://",
            "https:///x",
            "ftp://api.example",
            "unix:///run/x",
            "api.example:99999",
            "https://a b",
            "https://api.example:0",
            "::1",
            "a:b:c",
        ] {
            assert!(read(bad, false).is_err(), "{bad}");
        }
    }
}
