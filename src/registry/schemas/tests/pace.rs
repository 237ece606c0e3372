//! How hard the registry is asked, and when it is left alone.

use super::*;
use crate::registry::schemas::pace::{BURST, PER_SECOND};

async fn ask(schemas: &Arc<Schemas>, ids: std::ops::Range<i32>) -> usize {
    let questions: Vec<_> = ids.map(|number| by_topic(id(number))).collect();
    let answers = join_all(questions.iter().map(|question| schemas.answer(question))).await;
    answers.iter().filter(|answer| matches!(answer, Err(Error::Registry(_)))).count()
}

#[tokio::test]
async fn a_flood_of_ids_is_asked_for_at_a_bounded_rate() {
    let (server, schemas) = start().await;
    let began = std::time::Instant::now();
    let more = 600;
    let count = i32::try_from(BURST).unwrap() + more;
    ask(&schemas, 1..count + 1).await;
    let least = Duration::from_secs(1) * u32::try_from(more).unwrap() / PER_SECOND;
    assert!(began.elapsed() >= least, "{count} questions in {:?}", began.elapsed());
    assert_eq!(server.requests().len(), usize::try_from(count).unwrap());
}

#[tokio::test]
async fn a_registry_that_names_a_time_is_left_alone_until_then() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    server.fail("", Fault::Busy("20"));
    assert_eq!(ask(&schemas, 1..2).await, 1);
    assert_eq!(ask(&schemas, 1..100).await, 99, "all get the last error");
    assert_eq!(server.requests().len(), 1);
    server.heal();
    pass(Duration::from_secs(10)).await;
    assert_eq!(ask(&schemas, 1..2).await, 1);
    pass(Duration::from_secs(10)).await;
    judged(schemas.answer(&by_topic(id(1))).await);
}

#[tokio::test]
async fn a_time_is_honoured_up_to_a_minute_and_may_be_a_date() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(40));
    for (time, shortest) in [("1000000", 40), (date.leak(), 20), ("soon", 0), ("-1", 0)] {
        let (server, schemas) = start().await;
        server.fail("", Fault::Busy(time));
        ask(&schemas, 1..2).await;
        pass(Duration::from_secs(shortest)).await;
        let asked = if shortest > 0 { 1 } else { 2 };
        ask(&schemas, 1..2).await;
        assert_eq!(server.requests().len(), asked, "Retry-After: {time}");
        pass(Duration::from_secs(61)).await;
        ask(&schemas, 1..2).await;
        assert_eq!(server.requests().len(), asked + 1, "Retry-After: {time}");
    }
}

#[tokio::test]
async fn failures_in_a_row_stop_the_askers_and_an_answer_lets_them_go_on() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    let state = schemas.state();
    server.fail("", Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR, ""));
    assert_eq!(ask(&schemas, 1..1001).await, 1000);
    let asked = server.requests().len();
    assert!((8..50).contains(&asked), "{asked} of a thousand reached a registry that fails");
    assert!(state.board().outage.is_some());
    server.heal();
    pass(Duration::from_secs(7)).await;
    let (back, answer) = tokio::join!(schemas.back(), async { schemas.answer(&by_topic(id(1))).await });
    assert_eq!((back, state.board().outage), ((), None));
    judged(answer);
}

#[tokio::test]
async fn one_schema_that_fails_stops_nobody_else() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    server.register("orders-value", V2);
    server.fail("/schemas/ids/1", Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR, ""));
    for _ in 0..2 {
        assert_eq!(ask(&schemas, 1..2).await, 1);
    }
    judged(schemas.answer(&by_topic(id(2))).await);
    assert_eq!(schemas.state().board().outage, None);
}

#[tokio::test]
async fn the_end_of_an_outage_is_noticed_without_records() {
    let (server, schemas) = start().await;
    let state = schemas.state();
    server.fail("", Fault::Answer(StatusCode::BAD_GATEWAY, ""));
    schemas.greet().await;
    assert!(state.board().outage.is_some());
    server.heal();
    pass(REFRESH).await;
    for _ in 0..5_000 {
        if state.board().outage.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the outage is still shown");
}
