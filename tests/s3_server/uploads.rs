//! Multipart uploads: invisible until completed, and completed only if every part is as it was said to be.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::{body, ending, server, server_with, text};

/// An upload to `lake` with these parts, checked by SHA-256, and what completes it.
pub(crate) async fn uploaded(client: &Client, key: &str, texts: &[&str]) -> (String, CompletedMultipartUpload) {
    let create = client.create_multipart_upload().bucket("lake").key(key);
    let create = create
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .unwrap();
    let upload = create.upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, text) in (1..).zip(texts) {
        parts = parts.parts(part(client, key, &upload, number, text).await);
    }
    (upload, parts.build())
}

async fn part(client: &Client, key: &str, upload: &str, number: i32, text: &str) -> CompletedPart {
    let part = client
        .upload_part()
        .bucket("lake")
        .key(key)
        .upload_id(upload)
        .part_number(number);
    let part = part.checksum_algorithm(ChecksumAlgorithm::Sha256).body(body(text));
    let part = part.send().await.unwrap();
    let done = CompletedPart::builder().part_number(number).e_tag(part.e_tag.unwrap());
    done.checksum_sha256(part.checksum_sha256.unwrap()).build()
}

async fn complete(client: &Client, key: &str, upload: &str, parts: CompletedMultipartUpload) -> String {
    let complete = client
        .complete_multipart_upload()
        .bucket("lake")
        .key(key)
        .upload_id(upload);
    ending(&complete.multipart_upload(parts).send().await)
}

#[tokio::test]
async fn an_upload_is_nothing_until_it_is_completed() {
    let server = server();
    let client = server.client();
    let (upload, parts) = uploaded(&client, "big", &["first part, ", "second part"]).await;
    let get = client.get_object().bucket("lake").key("big").send().await;
    assert_eq!(ending(&get), "404 NoSuchKey");
    assert_eq!(server.model().keys("lake"), [""; 0]);

    let complete = client
        .complete_multipart_upload()
        .bucket("lake")
        .key("big")
        .upload_id(upload);
    let done = complete.multipart_upload(parts).send().await.unwrap();
    // The sums of the parts' sums, as reckoned by other means.
    let tag = Some("\"b7a1884e016bb53ceda951c118300acd-2\"");
    let checksum = Some("osl/geIL+urBmFLWQMKwQNQY7X7FjkgAQvTOKPs+WQs=-2");
    assert_eq!((done.e_tag(), done.checksum_sha256()), (tag, checksum));
    assert_eq!(done.checksum_type(), Some(&ChecksumType::Composite));
    let head = client
        .head_object()
        .bucket("lake")
        .key("big")
        .checksum_mode(ChecksumMode::Enabled);
    let head = head.send().await.unwrap();
    assert_eq!(
        (head.e_tag(), head.checksum_sha256(), head.content_length()),
        (tag, checksum, Some(23))
    );
    assert_eq!(head.checksum_type(), Some(&ChecksumType::Composite));
    let get = client
        .get_object()
        .bucket("lake")
        .key("big")
        .range("bytes=6-17")
        .send()
        .await
        .unwrap();
    assert_eq!(text(get).await, "part, second");
}

#[tokio::test]
async fn headers_of_the_object_are_those_of_its_upload() {
    let server = server();
    let client = server.client();
    let create = client
        .create_multipart_upload()
        .bucket("lake")
        .key("big")
        .content_encoding("zstd");
    let create = create
        .metadata("origin", "test")
        .content_type("text/plain")
        .send()
        .await
        .unwrap();
    let upload = create.upload_id.unwrap();
    // The model takes the part as it is; the client would add a checksum that the upload does not expect.
    let at = crate::support::s3::At::new("lake", "big");
    let payload = crate::support::s3::Payload::new("x");
    let tag = server.model().put_part(at, &upload, 1, payload).unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(tag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    assert_eq!(complete(&client, "big", &upload, parts).await, "ok");
    let head = client.head_object().bucket("lake").key("big").send().await.unwrap();
    assert_eq!(
        (head.content_encoding(), head.content_type()),
        (Some("zstd"), Some("text/plain"))
    );
    assert_eq!(head.metadata().unwrap()["origin"], "test");
}

#[tokio::test]
async fn a_completion_names_every_part_rightly() {
    let server = server();
    let client = server.client();
    let (upload, right) = uploaded(&client, "big", &["one", "two", "three"]).await;
    let right = right.parts.unwrap();
    let part = |n: usize| right[n - 1].clone();
    let numbered = |n: usize, number| CompletedPart::builder().part_number(number).set_e_tag(part(n).e_tag);
    let summed = |n: usize, number| numbered(n, number).set_checksum_sha256(part(n).checksum_sha256).build();
    for (name, parts, expected) in [
        ("no parts", vec![], "400 MalformedXML"),
        ("another part's tag", vec![part(1), summed(1, 2)], "400 InvalidPart"),
        (
            "a part never sent",
            vec![part(1), part(2), part(3), summed(3, 4)],
            "400 InvalidPart",
        ),
        ("descending", vec![part(2), part(1)], "400 InvalidPartOrder"),
        ("twice the same", vec![part(1), part(1)], "400 InvalidPartOrder"),
        ("no checksum", vec![numbered(1, 1).build()], "400 InvalidRequest"),
        ("a gap", vec![part(1), part(3)], "500 InternalError"),
        ("not from one", vec![part(2), part(3)], "500 InternalError"),
        (
            "another part's checksum",
            vec![numbered(1, 1).set_checksum_sha256(part(2).checksum_sha256).build()],
            "400 InvalidPart",
        ),
        (
            "a checksum of another kind",
            vec![numbered(1, 1).checksum_crc32("NhCmhg==").build()],
            "400 InvalidPart",
        ),
    ] {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        assert_eq!(complete(&client, "big", &upload, parts).await, expected, "{name}");
    }
    for (size, checksum, expected) in [
        (Some(12), None, "400 InvalidRequest"),
        (
            None,
            Some("osl/geIL+urBmFLWQMKwQNQY7X7FjkgAQvTOKPs+WQs=-2"),
            "400 BadDigest",
        ),
        (Some(11), None, "ok"),
    ] {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(right.clone()))
            .build();
        let complete = client
            .complete_multipart_upload()
            .bucket("lake")
            .key("big")
            .upload_id(&upload);
        let complete = complete.multipart_upload(parts).set_mpu_object_size(size);
        let complete = complete.set_checksum_sha256(checksum.map(str::to_owned));
        assert_eq!(ending(&complete.send().await), expected);
    }
    assert_eq!(server.model().bytes("lake", "big").unwrap(), "onetwothree");
}

#[tokio::test]
async fn parts_may_be_left_out_and_sent_again() {
    let server = server();
    let client = server.client();
    let (upload, _) = uploaded(&client, "big", &["old", "two", "three"]).await;
    let one = part(&client, "big", &upload, 1, "new").await;
    let two = part(&client, "big", &upload, 2, "two").await;
    let parts = CompletedMultipartUpload::builder().parts(one).parts(two).build();
    assert_eq!(complete(&client, "big", &upload, parts).await, "ok");
    assert_eq!(server.model().bytes("lake", "big").unwrap(), "newtwo");
}

#[tokio::test]
async fn every_part_but_the_last_has_a_least_size() {
    let server = server_with(|model| model.min_part_bytes = 4);
    let client = server.client();
    for (texts, expected) in [
        (&["four", "four", "x"][..], "ok"),
        (&["four", "not", "x"], "400 EntityTooSmall"),
        (&["x"], "ok"),
    ] {
        let (upload, parts) = uploaded(&client, "big", texts).await;
        assert_eq!(complete(&client, "big", &upload, parts).await, expected, "{texts:?}");
    }
    assert_eq!(crate::support::s3::Model::default().min_part_bytes, 5 * 1024 * 1024);
}

#[tokio::test]
async fn part_numbers_end_at_ten_thousand() {
    let server = server();
    let client = server.client();
    let (upload, _) = uploaded(&client, "big", &[]).await;
    for (number, expected) in [
        (1, "ok"),
        (10_000, "ok"),
        (0, "400 InvalidArgument"),
        (-1, "400 InvalidArgument"),
        (10_001, "400 InvalidArgument"),
    ] {
        let part = client
            .upload_part()
            .bucket("lake")
            .key("big")
            .upload_id(&upload)
            .part_number(number);
        let part = part.checksum_algorithm(ChecksumAlgorithm::Sha256).body(body("x"));
        assert_eq!(ending(&part.send().await), expected, "{number}");
    }
}

#[tokio::test]
async fn an_upload_that_has_ended_is_gone() {
    let server = server();
    let client = server.client();
    let (completed, parts) = uploaded(&client, "big", &["done"]).await;
    assert_eq!(complete(&client, "big", &completed, parts.clone()).await, "ok");
    let (aborted, others) = uploaded(&client, "big", &["other"]).await;
    let abort = client
        .abort_multipart_upload()
        .bucket("lake")
        .key("big")
        .upload_id(&aborted);
    abort.send().await.unwrap();
    let (elsewhere, _) = uploaded(&client, "elsewhere", &["done"]).await;
    for (upload, parts) in [
        (completed.as_str(), &parts),
        (&aborted, &others),
        (&elsewhere, &parts),
        ("never", &parts),
    ] {
        assert_eq!(
            complete(&client, "big", upload, parts.clone()).await,
            "404 NoSuchUpload"
        );
        let part = client
            .upload_part()
            .bucket("lake")
            .key("big")
            .upload_id(upload)
            .part_number(1);
        let part = part.checksum_algorithm(ChecksumAlgorithm::Sha256).body(body("late"));
        assert_eq!(ending(&part.send().await), "404 NoSuchUpload");
        let abort = client
            .abort_multipart_upload()
            .bucket("lake")
            .key("big")
            .upload_id(upload);
        assert_eq!(ending(&abort.send().await), "404 NoSuchUpload");
    }
    assert_eq!(server.model().bytes("lake", "big").unwrap(), "done");
}

#[tokio::test]
async fn a_completion_may_be_answered_as_the_first_time() {
    let server = server_with(|model| model.repeats_completions = true);
    let client = server.client();
    let (upload, parts) = uploaded(&client, "big", &["done"]).await;
    for _ in 0..2 {
        let complete = client
            .complete_multipart_upload()
            .bucket("lake")
            .key("big")
            .upload_id(&upload);
        let complete = complete
            .multipart_upload(parts.clone())
            .if_none_match("*")
            .send()
            .await
            .unwrap();
        assert!(complete.e_tag().unwrap().ends_with("-1\""));
    }
    // It is an answer and nothing else.
    client.delete_object().bucket("lake").key("big").send().await.unwrap();
    assert_eq!(complete(&client, "big", &upload, parts).await, "ok");
    assert_eq!(server.model().keys("lake"), [""; 0]);
    let other = CompletedMultipartUpload::builder().build();
    assert_eq!(complete(&client, "big", &upload, other).await, "404 NoSuchUpload");
}

#[tokio::test]
async fn open_uploads_are_listed_in_pages() {
    let server = server();
    let client = server.client();
    let mut expected = Vec::new();
    for key in ["t/b", "t/a", "s/x", "t/a", "t/c"] {
        let (upload, _) = uploaded(&client, key, &["x"]).await;
        server.model().advance(std::time::Duration::from_secs(10));
        expected.push((key.to_owned(), upload));
    }
    let (gone, _) = uploaded(&client, "t/gone", &["x"]).await;
    let abort = client
        .abort_multipart_upload()
        .bucket("lake")
        .key("t/gone")
        .upload_id(gone);
    abort.send().await.unwrap();
    let mut found = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let list = client
            .list_multipart_uploads()
            .bucket("lake")
            .prefix("t/")
            .max_uploads(1);
        let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
        for upload in page.uploads() {
            let since = upload.initiated().unwrap().secs() - 1_714_564_800;
            let name = (upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned());
            assert_eq!(
                since / 10,
                expected.iter().position(|sent| *sent == name).unwrap() as i64
            );
            found.push(name);
        }
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    // By key, and by time where they share one.
    let order = [1, 3, 0, 4].map(|n: usize| expected[n].clone());
    assert_eq!(found, order);
    let list = client
        .list_multipart_uploads()
        .bucket("lake")
        .key_marker("t/a")
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = list.uploads().iter().map(|upload| upload.key().unwrap()).collect();
    assert_eq!(keys, ["t/b", "t/c"]);
}
