//! An S3 server (`s3s-fs`) in this process, on a free port, with one bucket.

use std::io::{Read, Write};
use std::net::{TcpListener as Bound, TcpStream};
use std::path::PathBuf;
use std::pin::Pin;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

const BUCKET: &str = "pictures";
const KEY: &str = "parkgate";
const SECRET: &str = "parkgate-secret";
/// May read only.
const READER: &str = "reader";

/// The server ends with the process, its folder with this value.
pub struct BucketServer {
    folder: TempDir,
    endpoint: String,
}

impl BucketServer {
    /// Starts the server and makes the bucket.
    #[must_use]
    pub fn start() -> BucketServer {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let bound = Bound::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", bound.local_addr().unwrap());
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        let mut auth = SimpleAuth::from_single(KEY, SECRET);
        auth.register(READER.into(), SECRET.into());
        service.set_auth(auth);
        service.set_access(AsOthersDo);
        let service = service.build();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(bound).unwrap();
                while let Ok((line, _)) = listener.accept().await {
                    let service = service.clone();
                    tokio::spawn(async move {
                        // A client may hang up.
                        drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(line), service).await);
                    });
                }
            });
        });
        BucketServer { folder, endpoint }
    }

    /// `s3://BUCKET/PREFIX`
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The variables a client needs.
    #[must_use]
    pub fn variables(&self, secret: Option<&str>) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret.unwrap_or(SECRET)),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The variables of a client that may not write.
    #[must_use]
    pub fn variables_to_read(&self) -> Vec<(String, String)> {
        let mut variables = self.variables(None);
        variables.push(("AWS_ACCESS_KEY_ID".into(), READER.into()));
        variables
    }

    /// The objects under a prefix, as paths of files.
    #[must_use]
    pub fn objects(&self, prefix: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join(BUCKET).join(prefix)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                // Marker files are not pictures.
                match path.file_name().unwrap().to_string_lossy().starts_with('.') {
                    true => {}
                    false if path.is_dir() => folders.push(path),
                    false => found.push(path),
                }
            }
        }
        found
    }

    /// The SHA-256 in base64 that came with an object, of each that has one.
    #[must_use]
    pub fn checksums(&self) -> Vec<String> {
        let notes = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let notes = notes.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let sum = |path: PathBuf| {
            let noted: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            Some(noted["checksum_sha256"].as_str()?.to_owned())
        };
        notes.filter_map(sum).collect()
    }

    /// The address of a proxy in front of it that replaces `from` with `to` in what is sent.
    #[must_use]
    pub fn through_a_bad_line(&self, from: &'static [u8], to: &'static [u8]) -> String {
        assert_eq!(from.len(), to.len());
        let listener = Bound::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = self.endpoint.strip_prefix("http://").unwrap().to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (back, sent) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                // Either side may hang up.
                std::thread::spawn(move || drop(std::io::copy(&mut &server, &mut &back)));
                std::thread::spawn(move || drop(changed(client, sent, from, to)));
            }
        });
        address
    }
}

fn changed(mut from: TcpStream, mut to: TcpStream, old: &[u8], new: &[u8]) -> std::io::Result<()> {
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        let bytes = &mut piece[..read];
        while let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        to.write_all(bytes)?;
    }
}

/// `s3s-fs` makes a missing bucket on a write and checks no rights; other servers refuse.
struct AsOthersDo;

impl S3Access for AsOthersDo {
    fn check<'this, 'given, 'context, 'done>(
        &'this self,
        request: &'given mut S3AccessContext<'context>,
    ) -> Pin<Box<dyn Future<Output = S3Result<()>> + Send + 'done>>
    where
        'this: 'done,
        'given: 'done,
        'context: 'done,
        Self: 'done,
    {
        Box::pin(std::future::ready(checked(request)))
    }
}

fn checked(request: &S3AccessContext<'_>) -> S3Result<()> {
    let key = request.credentials().map(|given| given.access_key.as_str());
    let is_there = request.s3_path().get_bucket_name().is_none_or(|bucket| bucket == BUCKET);
    match key {
        None => Err(s3s::s3_error!(AccessDenied)),
        Some(READER) if ["PUT", "POST", "DELETE"].contains(&request.method().as_str()) => {
            Err(s3s::s3_error!(AccessDenied))
        }
        Some(_) if !is_there => Err(s3s::s3_error!(NoSuchBucket)),
        Some(_) => Ok(()),
    }
}
