//! Answers under many askers, outages, graces and changing targets.

mod contracts;
mod kept;
mod pace;

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use futures::future::join_all;

use super::pace::MAX_CONCURRENT;
use super::targets::KEPT_UNUSED;
use super::*;
use crate::gate::policy::TargetRule;
use crate::record::Part;
use crate::registry::tests::{Fault, Server};
use crate::schema::table::{Slot, Source};
use crate::wire::{WireFormat, WireFormats};

const REFRESH: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(20);

const V1: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"}]}"#;
/// Adds a field with a default: V1 data is readable.
const V2: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"n","type":"int","default":0}]}"#;
/// Adds a field without a default: V1 data is not readable.
const V3: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"k","type":"string"}]}"#;
/// Some branches of the writer are readable as V1.
const EITHER: &str =
    r#"["null",{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"}]}]"#;

fn id(id: i32) -> SchemaRef {
    SchemaRef::Id(SchemaId(id))
}

fn question(schema: SchemaRef, subject: SubjectRule, target: TargetRule) -> Question {
    Question {
        need: Need { slot: Slot { source: Source(0), part: Part::Value }, schema },
        topic: "orders".into(),
        policy: PartPolicy { wire: WireFormats::from_iter(WireFormat::ALL), subject, target, conversion: None },
        grace: GRACE,
    }
}

fn by_topic(schema: SchemaRef) -> Question {
    question(schema, SubjectRule::Topic, TargetRule::Any)
}

async fn start() -> (Server, Arc<Schemas>) {
    let server = Server::start().await;
    let schemas = Schemas::new(server.client(), REFRESH, None);
    (server, schemas)
}

fn judged(answer: Result<Answer, Error>) -> Arc<Judgement> {
    match answer {
        Ok(Answer::Entry(Entry::Judged(judgement))) => judgement,
        other => panic!("not judged: {other:?}"),
    }
}

fn refusal(answer: Result<Answer, Error>) -> (ReasonCode, String, Option<Subject>) {
    match answer {
        Ok(Answer::Entry(Entry::Refused(refusal))) => {
            (refusal.violation.code, refusal.violation.detail.clone(), refusal.subject.clone())
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn retry_after(answer: Result<Answer, Error>) -> Duration {
    match answer {
        Err(Error::NotYet { retry_after, .. }) => retry_after,
        other => panic!("not held: {other:?}"),
    }
}

/// Moves the clock on; only here, so that a slow machine runs into no timeout.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn many_askers_cost_one_question_each_thing() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    let question = question(id(1), SubjectRule::Topic, TargetRule::Latest);
    let answers = join_all((0..50).map(|_| schemas.answer(&question))).await;
    let first = judged(answers[0].clone());
    for answer in answers {
        assert!(Arc::ptr_eq(&judged(answer), &first), "one resolution for all");
    }
    assert_eq!(
        server.requests(),
        ["/schemas/ids/1", "/schemas/ids/1/versions?deleted=true", "/subjects/orders-value/versions/latest"]
    );
    assert_eq!((first.version, first.target), (Some(Version(1)), Some(Version(1))));
    let calls = schemas.calls();
    assert_eq!((calls.ok.load(Ordering::Relaxed), calls.misses.load(Ordering::Relaxed)), (3, 50));
    judged(schemas.answer(&question).await);
    assert_eq!((server.requests().len(), calls.hits.load(Ordering::Relaxed), schemas.known_schemas()), (3, 1, 1));
}

#[tokio::test]
async fn an_outage_stops_new_schemas_only_and_its_error_is_shared() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    judged(schemas.answer(&by_topic(id(1))).await);
    server.forget_requests();
    server.fail("", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""));
    judged(schemas.answer(&by_topic(id(1))).await);
    let question = by_topic(id(2));
    for answer in join_all((0..50).map(|_| schemas.answer(&question))).await {
        assert!(matches!(answer, Err(Error::Registry(_))), "{answer:?}");
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(schemas.calls().transient.load(Ordering::Relaxed), 1);

    server.heal();
    server.register("orders-value", V2);
    judged(schemas.answer(&question).await);
}

#[tokio::test]
async fn the_registry_is_asked_few_things_at_once() {
    let (server, schemas) = start().await;
    server.fail("", Fault::Silent);
    let questions: Vec<_> = (1..=30).map(|number| by_topic(id(number))).collect();
    let asking = join_all(questions.iter().map(|question| schemas.answer(question)));
    let looking = async {
        server.received(MAX_CONCURRENT).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::select! {
        _ = asking => panic!("nothing was answered"),
        () = looking => assert_eq!(server.requests().len(), MAX_CONCURRENT),
    }
}

#[tokio::test]
async fn a_schema_is_unknown_only_when_it_still_is_after_the_grace() {
    let (server, schemas) = start().await;
    let question = by_topic(id(1));
    let pause = retry_after(schemas.answer(&question).await);
    assert!(pause <= Duration::from_millis(250), "{pause:?}");
    assert!(retry_after(schemas.answer(&question).await) <= pause, "from memory");
    assert_eq!(server.requests().len(), 1);

    // An outage is no 404: what it hides may be there.
    pass(GRACE).await;
    server.fail("", Fault::Answer(StatusCode::BAD_GATEWAY, r#"{"error_code":40403}"#));
    assert!(matches!(schemas.answer(&question).await, Err(Error::Registry(_))));
    server.heal();

    let (code, detail, subject) = refusal(schemas.answer(&question).await);
    assert_eq!((code, detail.as_str(), subject), (ReasonCode::UnknownSchema, "schema 1 is not in the registry", None));
    let asked = server.requests().len();
    refusal(schemas.answer(&question).await);
    assert_eq!(server.requests().len(), asked, "a refusal stands for one refresh");

    server.register("orders-value", V1);
    pass(REFRESH).await;
    judged(schemas.answer(&question).await);
}

#[tokio::test]
async fn a_schema_registered_within_the_grace_is_judged() {
    let (server, schemas) = start().await;
    let question = by_topic(id(1));
    let pause = retry_after(schemas.answer(&question).await);
    server.register("orders-value", V1);
    pass(pause).await;
    judged(schemas.answer(&question).await);
}

#[tokio::test]
async fn without_grace_the_first_404_counts() {
    let (server, schemas) = start().await;
    let question = Question { grace: Duration::ZERO, ..by_topic(id(1)) };
    assert_eq!(refusal(schemas.answer(&question).await).0, ReasonCode::UnknownSchema);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_schema_of_another_subject_is_refused_after_the_grace() {
    let (server, schemas) = start().await;
    for subject in ["d", "b", "c", "a", "e"] {
        server.register(subject, V1);
    }
    let question = by_topic(id(1));
    let pause = retry_after(schemas.answer(&question).await);
    pass(pause).await;
    retry_after(schemas.answer(&question).await);
    pass(GRACE).await;
    let (code, detail, subject) = refusal(schemas.answer(&question).await);
    assert_eq!(code, ReasonCode::SubjectMismatch);
    assert_eq!(detail, "schema 1 is registered under 'a', 'b', 'c' and 2 more, not under 'orders-value'");
    assert_eq!(subject, Some(Subject("orders-value".into())));
    let asked = server.requests().len();
    refusal(schemas.answer(&question).await);
    assert_eq!(server.requests().len(), asked);
}

#[tokio::test]
async fn a_schema_registered_under_a_further_subject_is_found() {
    let (server, schemas) = start().await;
    server.register("payments-value", V1);
    let payments = Question { topic: "payments".into(), ..by_topic(id(1)) };
    judged(schemas.answer(&payments).await);
    server.register("orders-value", V2);
    server.register("orders-value", V1);
    let judgement = judged(schemas.answer(&by_topic(id(1))).await);
    assert_eq!(
        (judgement.version, judgement.subject.as_ref().map(|s| &*s.0)),
        (Some(Version(2)), Some("orders-value"))
    );
    let asked = server.requests().len();
    judged(schemas.answer(&payments).await);
    assert_eq!(server.requests().len(), asked);
}

#[tokio::test]
async fn subjects_follow_the_rule() {
    let (server, schemas) = start().await;
    for subject in ["orders-value", "shop.Order", "orders-shop.Order", "mine"] {
        server.register(subject, V1);
    }
    let cases = [
        (SubjectRule::Topic, Some("orders-value")),
        (SubjectRule::Record, Some("shop.Order")),
        (SubjectRule::TopicRecord, Some("orders-shop.Order")),
        (SubjectRule::Named("mine".to_owned()), Some("mine")),
        (SubjectRule::Any, None),
    ];
    for (rule, expected) in cases {
        let judgement = judged(schemas.answer(&question(id(1), rule.clone(), TargetRule::Any)).await);
        assert_eq!(judgement.subject.as_ref().map(|subject| &*subject.0), expected, "{rule:?}");
        assert_eq!(judgement.version, expected.map(|_| Version(1)), "{rule:?}");
    }
    let string = server.register("orders-value", r#""string""#).id;
    let (code, detail, _) =
        refusal(schemas.answer(&question(SchemaRef::Id(string), SubjectRule::Record, TargetRule::Any)).await);
    assert_eq!(
        (code, detail.as_str()),
        (ReasonCode::SubjectMismatch, "schema 2 is no named type, and the subject is to be its name")
    );
}

#[tokio::test]
async fn readings_are_those_of_the_target() {
    let (server, schemas) = start().await;
    for text in [V1, V2, V3, EITHER] {
        server.register("orders-value", text);
    }
    let cases = [(1, 1, "always"), (1, 2, "always"), (2, 1, "always"), (1, 3, "never"), (4, 1, "depends")];
    for (writer, target, expected) in cases {
        let target = Version(target);
        let question = question(id(writer), SubjectRule::Topic, TargetRule::Version(target));
        let judgement = judged(schemas.answer(&question).await);
        let reading = match judgement.reading {
            Reading::Always => "always",
            Reading::Depends(_) => "depends",
            Reading::Never(_) => "never",
        };
        assert_eq!((reading, judgement.target), (expected, Some(target)), "{writer} read as {target}");
    }
    let targets = server.requests().iter().filter(|path| path.starts_with("/subjects/")).count();
    assert_eq!(targets, 3, "each pinned target is asked for once");
}

#[tokio::test]
async fn a_latest_that_no_pipeline_goes_by_is_asked_for_no_more() {
    let server = Server::start().await;
    // Nothing is looked at but here.
    let schemas = Schemas::new(server.client(), KEPT_UNUSED * 100, None);
    server.register("orders-value", V1);
    let question = question(id(1), SubjectRule::Topic, TargetRule::Latest);
    judged(schemas.answer(&question).await);
    let in_use = schemas.use_latest(&Subject("orders-value".into()));
    assert!(in_use.is_some() && schemas.use_latest(&Subject("others".into())).is_none());
    let looks = || async {
        server.forget_requests();
        schemas.refresh_targets().await;
        server.requests().iter().any(|path| path.ends_with("/versions/latest"))
    };
    pass(KEPT_UNUSED).await;
    assert!(looks().await, "as long as it is in use");
    drop(in_use);
    assert!(!looks().await, "its gate has gone");
    assert_eq!(judged(schemas.answer(&question).await).target, Some(Version(1)), "and may come back");
    assert!(looks().await, "soon");
    pass(KEPT_UNUSED).await;
    assert!(!looks().await);
}

#[tokio::test]
async fn a_change_of_the_latest_is_an_event_and_judged_anew() {
    let (server, schemas) = start().await;
    let mut changes = schemas.changes();
    server.register("orders-value", V1);
    let question = question(id(1), SubjectRule::Topic, TargetRule::Latest);
    assert_eq!(judged(schemas.answer(&question).await).target, Some(Version(1)));

    // An outage of the refresh changes nothing.
    server.fail("", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""));
    schemas.refresh_targets().await;
    server.heal();
    schemas.refresh_targets().await;
    assert!(changes.try_recv().is_err());

    server.register("orders-value", V3);
    assert_eq!(judged(schemas.answer(&question).await).target, Some(Version(1)), "until the next refresh");
    pass(REFRESH).await;
    let subject = Subject("orders-value".into());
    let expected = TargetChanged { subject: subject.clone(), from: Some(Version(1)), to: Version(2) };
    assert_eq!(changes.recv().await.unwrap(), expected);
    let judgement = judged(schemas.answer(&question).await);
    assert_eq!(judgement.target, Some(Version(2)));
    assert!(matches!(judgement.reading, Reading::Never(_)));
    assert_eq!(schemas.judgements.len(), 1, "what was resolved against the old target is forgotten");
}

#[tokio::test]
async fn a_target_that_is_not_there_holds_until_it_is() {
    let (server, schemas) = start().await;
    let mut changes = schemas.changes();
    server.register("orders-value", V1);
    let pinned = question(id(1), SubjectRule::Topic, TargetRule::Version(Version(2)));
    let error = schemas.answer(&pinned).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "target version 2 of subject 'orders-value' is not in the registry; register it, or change 'target'"
    );
    server.register("orders-value", V2);
    judged(schemas.answer(&pinned).await);

    let target = Subject("elsewhere".into());
    let error = schemas.target(TargetRule::Latest, Some(&target)).await.unwrap_err();
    let expected =
        "the target subject 'elsewhere' has no version in the registry; register one, or change 'subject' or 'target'";
    assert_eq!(error.to_string(), expected);
    server.register("elsewhere", V1);
    pass(REFRESH).await;
    assert_eq!(changes.recv().await.unwrap(), TargetChanged { subject: target, from: None, to: Version(1) });

    let error = schemas.answer(&question(id(1), SubjectRule::Any, TargetRule::Latest)).await.unwrap_err();
    assert_eq!(error.to_string(), "a target version needs a subject; set 'subject', or 'target: any'");
}

#[tokio::test]
async fn what_cannot_be_used_is_told_apart() {
    let (server, schemas) = start().await;
    let ok = StatusCode::OK;
    server.fail("ids/1", Fault::Answer(ok, r#"{"schemaType":"JSON","schema":"{}"}"#));
    server.fail("ids/2", Fault::Answer(ok, r#"{"schemaType":"THRIFT","schema":"{}"}"#));
    server.fail("ids/3", Fault::Answer(ok, r#"{"schema":"{\"type\":\"record\"}"}"#));
    let cases = [(1, "schema 1 is json, and the gate reads avro"), (2, "schema 2 is THRIFT, and the gate reads avro")];
    for (number, expected) in cases {
        let (code, detail, _) = refusal(schemas.answer(&by_topic(id(number))).await);
        assert_eq!((code, detail.as_str()), (ReasonCode::FormatMismatch, expected));
    }
    for _ in 0..2 {
        let answer = schemas.answer(&by_topic(id(3))).await.unwrap();
        let Answer::Unusable { schema, reason } = answer else { panic!("usable: {answer:?}") };
        assert_eq!(schema, id(3));
        assert!(!reason.is_empty());
    }
    assert_eq!(server.requests().len(), 4, "what cannot be used is asked for again, what is of another format is not");

    server.heal();
    server.register("orders-value", V1);
    server.fail("versions/latest", Fault::Answer(ok, r#"{"subject":"orders-value","version":2,"id":3,"schema":"{}"}"#));
    let schemas = Schemas::new(server.client(), REFRESH, None);
    let question = question(id(1), SubjectRule::Topic, TargetRule::Latest);
    let message = schemas.answer(&question).await.unwrap_err().to_string();
    assert!(message.starts_with("target version 2 of subject 'orders-value' cannot be compiled: "), "{message}");
    server.heal();
    judged(schemas.answer(&question).await);
}

#[tokio::test]
async fn one_text_under_two_names_is_compiled_once() {
    let (server, schemas) = start().await;
    let guid = server.register("orders-value", V1).content.guid;
    let by_id = judged(schemas.answer(&by_topic(id(1))).await);
    let by_guid = judged(schemas.answer(&by_topic(SchemaRef::Guid(guid))).await);
    assert!(Arc::ptr_eq(&by_id.schema, &by_guid.schema));
    assert_eq!((schemas.known_schemas(), schemas.compiled.len()), (2, 1));
}

#[tokio::test]
async fn the_refresher_ends_with_the_schemas() {
    let (_server, schemas) = start().await;
    let weak = Arc::downgrade(&schemas);
    drop(schemas);
    assert!(weak.upgrade().is_none());
}
