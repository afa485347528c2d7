//! Checksums: what is sent is what arrives, and S3 tells what it has.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{body, ending, server};
use crate::support::s3::{At, Server};

/// The sums of `hello`, as reckoned by other means.
const HELLO: [(ChecksumAlgorithm, &str); 5] = [
    (ChecksumAlgorithm::Crc32, "NhCmhg=="),
    (ChecksumAlgorithm::Crc32C, "mnG7TA=="),
    (ChecksumAlgorithm::Crc64Nvme, "M3eFcAZSQlc="),
    (ChecksumAlgorithm::Sha1, "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    (
        ChecksumAlgorithm::Sha256,
        "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    ),
];

/// A body of which the client knows the length alone: it is sent in chunks, and its checksum comes after it.
struct Unseen(Vec<Bytes>);

impl Unseen {
    fn stream(pieces: &[&'static str]) -> ByteStream {
        let pieces = pieces.iter().rev().map(|piece| Bytes::from_static(piece.as_bytes()));
        ByteStream::new(SdkBody::from_body_1_x(Self(pieces.collect())))
    }
}

impl http_body::Body for Unseen {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// The checksums S3 has of an object, by their names.
async fn kept(client: &Client, key: &str) -> Vec<(ChecksumAlgorithm, String)> {
    let head = client
        .head_object()
        .bucket("lake")
        .key(key)
        .checksum_mode(ChecksumMode::Enabled);
    let head = head.send().await.unwrap();
    let [crc32, crc32c, crc64, sha1, sha256] = HELLO.map(|(algorithm, _)| algorithm);
    let all = [
        (crc32, head.checksum_crc32),
        (crc32c, head.checksum_crc32_c),
        (crc64, head.checksum_crc64_nvme),
        (sha1, head.checksum_sha1),
        (sha256, head.checksum_sha256),
    ];
    let there = all
        .into_iter()
        .filter_map(|(algorithm, value)| Some((algorithm, value?)));
    there.collect()
}

#[tokio::test]
async fn what_the_client_reckons_is_checked_and_kept() {
    let server = server();
    let signed = [
        (server.config(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        (server.config_as_for_tls(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ];
    for (config, way) in signed {
        let client = Client::from_conf(config.build());
        for (algorithm, sum) in HELLO {
            let expected = [(algorithm.clone(), sum.to_owned())];
            for (stream, streamed) in [(body("hello"), false), (Unseen::stream(&["he", "l", "lo"]), true)] {
                let put = client.put_object().bucket("lake").key("key").body(stream);
                let put = put
                    .checksum_algorithm(algorithm.clone())
                    .content_encoding("gzip")
                    .send()
                    .await;
                assert_eq!(ending(&put), "ok", "{algorithm} {way}");
                let log = server.log();
                let sha256 = log.last().unwrap().header("x-amz-content-sha256");
                assert_eq!(sha256 == Some(way), streamed, "{sha256:?}");
                assert_eq!(kept(&client, "key").await, expected);
                assert_eq!(server.model().bytes("lake", "key").unwrap(), "hello");
            }
        }
    }
    let client = server.client();
    let head = client.head_object().bucket("lake").key("key").send().await.unwrap();
    assert_eq!(head.content_encoding(), Some("gzip"), "without aws-chunked");
    assert_eq!(head.checksum_sha256(), None, "only if it is asked for");
    let get = client
        .get_object()
        .bucket("lake")
        .key("key")
        .range("bytes=0-4")
        .send()
        .await
        .unwrap();
    assert_eq!(get.checksum_sha256(), None, "not of a range");
}

#[tokio::test]
async fn a_checksum_that_is_given_has_to_be_right() {
    let server = server();
    let client = server.client();
    let [.., sha256] = HELLO.map(|(_, sum)| sum);
    for (given, expected) in [
        (sha256, "ok"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "400 BadDigest"),
        ("NhCmhg==", "400 InvalidRequest"),
        ("!", "400 InvalidRequest"),
    ] {
        for stream in [body("hello"), Unseen::stream(&["hello"])] {
            let key = given;
            let put = client
                .put_object()
                .bucket("lake")
                .key(key)
                .checksum_sha256(given)
                .body(stream);
            assert_eq!(ending(&put.send().await), expected, "{given}");
            assert_eq!(server.model().bytes("lake", key).is_some(), expected == "ok");
        }
    }
    for (given, expected) in [("XUFAKrxLKna5cZ2REBfFkg==", "ok"), ("AAAA", "400 BadDigest")] {
        let put = client
            .put_object()
            .bucket("lake")
            .key("md5")
            .content_md5(given)
            .body(body("hello"));
        assert_eq!(ending(&put.send().await), expected, "{given}");
    }
    let put = client
        .put_object()
        .bucket("lake")
        .key("two")
        .body(body("hello"))
        .checksum_sha256(sha256);
    assert_eq!(
        ending(&put.checksum_crc32("NhCmhg==").send().await),
        "400 InvalidRequest"
    );
}

#[tokio::test]
async fn s3_sums_up_what_nobody_else_did() {
    let server = server();
    server.model().seed("lake", "key", "hello");
    let (algorithm, sum) = HELLO[2].clone();
    assert_eq!(kept(&server.client(), "key").await, [(algorithm, sum.to_owned())]);
}

#[tokio::test]
async fn parts_have_the_checksum_of_their_upload() {
    let server = server();
    let client = server.client();
    for (created, sent, expected) in [
        (Some(ChecksumAlgorithm::Sha256), Some(ChecksumAlgorithm::Sha256), "ok"),
        (
            Some(ChecksumAlgorithm::Sha256),
            Some(ChecksumAlgorithm::Crc32),
            "400 InvalidRequest",
        ),
        // The client adds a CRC32 by itself.
        (Some(ChecksumAlgorithm::Sha256), None, "400 InvalidRequest"),
        (Some(ChecksumAlgorithm::Crc32), None, "ok"),
        (None, None, "400 InvalidRequest"),
        (None, Some(ChecksumAlgorithm::Sha256), "400 InvalidRequest"),
    ] {
        let create = client.create_multipart_upload().bucket("lake").key("big");
        let create = create.set_checksum_algorithm(created.clone()).send().await.unwrap();
        for stream in [body("hello"), Unseen::stream(&["hel", "lo"])] {
            let part = client.upload_part().bucket("lake").key("big").part_number(1);
            let part = part
                .upload_id(create.upload_id().unwrap())
                .set_checksum_algorithm(sent.clone());
            let part = part.body(stream).send().await;
            assert_eq!(ending(&part), expected, "{created:?} {sent:?}");
        }
    }
}

#[tokio::test]
async fn a_joined_object_has_one_checksum_of_its_kind() {
    let server = server();
    let client = server.client();
    for (algorithm, kind, expected) in [
        (
            ChecksumAlgorithm::Sha256,
            None,
            "osl/geIL+urBmFLWQMKwQNQY7X7FjkgAQvTOKPs+WQs=-2",
        ),
        (ChecksumAlgorithm::Crc32, None, "212Rdw==-2"),
        (ChecksumAlgorithm::Crc32, Some(ChecksumType::FullObject), "VkFrlg=="),
        (ChecksumAlgorithm::Crc64Nvme, None, "lPQ7rx8wAdo="),
    ] {
        let create = client
            .create_multipart_upload()
            .bucket("lake")
            .key("big")
            .set_checksum_type(kind);
        let create = create.checksum_algorithm(algorithm.clone()).send().await.unwrap();
        let mut parts = CompletedMultipartUpload::builder();
        for (number, text) in (1..).zip(["first part, ", "second part"]) {
            let part = client.upload_part().bucket("lake").key("big").part_number(number);
            let part = part
                .upload_id(create.upload_id().unwrap())
                .checksum_algorithm(algorithm.clone());
            let part = part.body(body(text)).send().await.unwrap();
            let done = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag);
            let done = done
                .set_checksum_sha256(part.checksum_sha256)
                .set_checksum_crc32(part.checksum_crc32);
            parts = parts.parts(done.build());
        }
        let complete = client.complete_multipart_upload().bucket("lake").key("big");
        let complete = complete
            .upload_id(create.upload_id.unwrap())
            .multipart_upload(parts.build());
        complete.send().await.unwrap();
        assert_eq!(kept(&client, "big").await, [(algorithm, expected.to_owned())]);
    }
    for (algorithm, kind) in [
        (Some(ChecksumAlgorithm::Sha256), ChecksumType::FullObject),
        (Some(ChecksumAlgorithm::Crc64Nvme), ChecksumType::Composite),
        (None, ChecksumType::Composite),
    ] {
        let create = client
            .create_multipart_upload()
            .bucket("lake")
            .key("big")
            .checksum_type(kind);
        let create = create.set_checksum_algorithm(algorithm).send().await;
        assert_eq!(ending(&create), "400 InvalidRequest");
    }
}

/// A way to the server on which `hello` becomes `jello`; the address of its near end.
fn noisy_way_to(server: &Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let far = server.endpoint().replace("http://", "");
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let mut near_out = near.try_clone().unwrap();
            let far = TcpStream::connect(&far).unwrap();
            let mut far_in = far.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut far_in, &mut near_out));
            std::thread::spawn(move || garble(near, far));
        }
    });
    address
}

fn garble(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &mut buffer[..length];
        while let Some(at) = bytes.windows(5).position(|word| word == b"hello") {
            bytes[at] = b'j';
        }
        to.write_all(bytes).unwrap();
    }
}

#[tokio::test]
async fn what_changes_on_the_way_is_not_kept() {
    let server = server();
    let way = noisy_way_to(&server);
    let ways = [
        (
            server.config().endpoint_url(format!("http://{way}")),
            "403 SignatureDoesNotMatch",
        ),
        (
            server.config_as_for_tls().endpoint_url(format!("https://{way}")),
            "400 BadDigest",
        ),
    ];
    for (config, expected) in ways {
        let client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
        let put = client.put_object().bucket("lake").key("key").body(body("hello"));
        assert_eq!(ending(&put.send().await), "400 XAmzContentSHA256Mismatch");
        for (algorithm, _) in HELLO {
            let put = client
                .put_object()
                .bucket("lake")
                .key("key")
                .body(Unseen::stream(&["hello"]));
            let put = put.checksum_algorithm(algorithm).send().await;
            assert_eq!(ending(&put), expected);
        }
        assert_eq!(server.model().keys("lake"), [""; 0]);
        let put = client
            .put_object()
            .bucket("lake")
            .key("other")
            .body(body("other"))
            .send()
            .await;
        assert_eq!(ending(&put), "ok");
        server.model().delete(At::new("lake", "other"), None).unwrap();
    }
}
