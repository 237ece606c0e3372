//! Rules of versions: where they are asked for, kept, and not believed.

use std::path::Path;

use super::kept::{process, written};
use super::*;
use crate::convert::Scratch;
use crate::convert::mapping::Steps;
use crate::registry::contract::RuleSet;
use crate::registry::store::{Command, Wanted};

/// `id` becomes a text, which resolution does not do.
const TEXT: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"}]}"#;

fn rules() -> RuleSet {
    let rule =
        serde_json::json!({ "name": "text", "type": "JSONATA", "mode": "UPGRADE", "expr": "{'id': $string(id)}" });
    serde_json::from_value(serde_json::json!({ "migrationRules": [rule] })).unwrap()
}

fn converted(writer: i32, target: i32, mapping: Option<Steps>) -> Question {
    let conversion = Some(ConversionRule { all: true, mapping: mapping.map(Arc::new) });
    let mut question =
        question(id(writer), SubjectRule::Named("orders-value".into()), TargetRule::Version(Version(target)));
    question.policy.conversion = conversion;
    question
}

fn way(answer: Result<Answer, Error>) -> &'static str {
    judged(answer).conversion.as_ref().expect("it is converted").pair.way
}

async fn with_rules() -> Server {
    let server = Server::start().await;
    server.register("orders-value", V1);
    server.register_rules("orders-value", TEXT, rules());
    server
}

async fn held(base: &Path, server: &Server) -> Arc<Schemas> {
    server.fail("", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""));
    process(server, base)
}

#[tokio::test]
async fn rules_survive_a_restart_during_an_outage() {
    let (server, base) = (with_rules().await, tempfile::tempdir().unwrap());
    let before = process(&server, base.path());
    assert_eq!(way(before.answer(&converted(1, 2, None)).await), "rules");
    // The schema, its subjects, the target, the rules.
    written(&before, 4).await;
    drop(before);
    let schemas = held(base.path(), &server).await;
    assert_eq!(way(schemas.answer(&converted(1, 2, None)).await), "rules");
}

/// Without rules on disk nobody knows whether there are some: the partition waits.
#[tokio::test]
async fn a_pair_that_was_never_met_is_held_during_an_outage() {
    let (server, base) = (with_rules().await, tempfile::tempdir().unwrap());
    let before = process(&server, base.path());
    judged(before.answer(&question(id(1), SubjectRule::Topic, TargetRule::Version(Version(2)))).await);
    written(&before, 3).await;
    drop(before);
    let schemas = held(base.path(), &server).await;
    let answer = schemas.answer(&converted(1, 2, None)).await;
    assert!(matches!(answer, Err(Error::Registry(_))), "{answer:?}");
}

#[tokio::test]
async fn where_a_mapping_decides_no_contract_is_asked_for() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    server.register("orders-value", V2);
    assert_eq!(way(schemas.answer(&converted(1, 2, Some(Steps::Any(Vec::new())))).await), "mapping");
    let asked = server.requests();
    assert!(
        !asked.iter().any(|path| path.ends_with("/versions?deleted=true") && path.starts_with("/subjects")),
        "{asked:?}"
    );
}

/// What a proxy says in the place of a version is no version without rules.
#[tokio::test]
async fn an_answer_that_is_no_version_is_not_one_without_rules() {
    for body in [
        "{}",
        r#"{"error_code":50001,"message":"no"}"#,
        r#"{"subject":"orders-value","version":2,"id":2}"#,
        r#"{"subject":"orders-value","version":1,"id":1,"schema":"\"int\""}"#,
    ] {
        let server = Server::start().await;
        server.register("orders-value", V1);
        server.register("orders-value", V2);
        let schemas = Schemas::new(server.client(), REFRESH, None);
        // The target comes by the same path, and is at hand when the contracts are asked for.
        judged(schemas.answer(&question(id(1), SubjectRule::Topic, TargetRule::Version(Version(2)))).await);
        server.fail("/versions/2", Fault::Answer(StatusCode::OK, body));
        let answer = schemas.answer(&converted(1, 2, None)).await;
        assert!(matches!(answer, Err(Error::Registry(_))), "{body}: {answer:?}");
        server.heal();
        pass(Duration::from_secs(60)).await;
        assert_eq!(way(schemas.answer(&converted(1, 2, None)).await), "resolution", "{body}");
    }
}

#[tokio::test]
async fn a_list_without_the_target_is_none() {
    let server = with_rules().await;
    let schemas = Schemas::new(server.client(), REFRESH, None);
    judged(schemas.answer(&question(id(1), SubjectRule::Topic, TargetRule::Version(Version(2)))).await);
    for body in ["[]", "[1]"] {
        server.fail("/subjects/orders-value/versions?", Fault::Answer(StatusCode::OK, body));
        let answer = schemas.answer(&converted(1, 2, None)).await;
        assert!(matches!(answer, Err(Error::Target(_))), "{body}: {answer:?}");
        server.heal();
    }
    assert_eq!(way(schemas.answer(&converted(1, 2, None)).await), "rules");
}

/// A registry of a later version may have rules that we do not know: their records wait with an alarm.
#[tokio::test]
async fn rules_that_cannot_be_read_are_unusable() {
    let server = with_rules().await;
    let schemas = Schemas::new(server.client(), REFRESH, None);
    judged(schemas.answer(&question(id(1), SubjectRule::Topic, TargetRule::Version(Version(2)))).await);
    let body = r#"{"subject":"orders-value","version":2,"id":2,"schema":"\"int\"","ruleSet":{"migrationRules":[{"name":"a","mode":"SIDEWAYS"}]}}"#;
    server.fail("/versions/2", Fault::Answer(StatusCode::OK, body));
    match schemas.answer(&converted(1, 2, None)).await {
        Ok(Answer::Unusable { reason, .. }) => {
            assert!(
                reason.starts_with("the rules of version 2 of subject 'orders-value' cannot be read: "),
                "{reason}"
            );
            assert!(reason.contains("SIDEWAYS"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(schemas.state().board().outage.is_none(), "the registry is well");
    server.heal();
    assert_eq!(way(schemas.answer(&converted(1, 2, None)).await), "rules", "asked again");
}

/// A version that is soft-deleted keeps its place in a chain; one that is gone for good leaves a gap that nobody bridges.
#[tokio::test]
async fn a_soft_deleted_version_counts_and_one_that_is_gone_does_not() {
    let upwards = |expression: &str| -> RuleSet {
        let rule = serde_json::json!({ "name": "up", "type": "JSONATA", "mode": "UPGRADE", "expr": expression });
        serde_json::from_value(serde_json::json!({ "migrationRules": [rule] })).unwrap()
    };
    let server = Server::start().await;
    server.register("orders-value", V1);
    server.register_rules("orders-value", TEXT, upwards("{'id': 'two ' & $string(id)}"));
    let third = TEXT.replacen('{', r#"{"doc":"three","#, 1);
    server.register_rules("orders-value", &third, upwards("{'id': id & ' three'}"));
    for permanent in [false, true] {
        let (subject, wanted) = (Subject("orders-value".into()), Wanted::Version(Version(2)));
        server.node.write(&Command::DeleteVersion { subject, wanted, permanent }).await.unwrap();
        let schemas = Schemas::new(server.client(), REFRESH, None);
        let judgement = judged(schemas.answer(&converted(1, 3, None)).await);
        let plan = judgement.conversion.as_ref().expect("it is converted").plan.as_ref();
        let mut out = Vec::new();
        let made = plan.map(|plan| plan.convert(&[14], &mut Scratch::default(), &mut out));
        if permanent {
            let gap = made.expect_err("version 2 is gone").to_string();
            assert!(gap.ends_with("version 2: it is deleted for good, so nobody knows its rules"), "{gap}");
        } else {
            assert_eq!(made.expect("a plan"), Ok(()));
            assert_eq!(out, b"\x16two 7 three");
        }
    }
}
