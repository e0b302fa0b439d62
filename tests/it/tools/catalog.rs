//! `reckoner catalog`, against a real server.
use crate::support::command::{Ended, reckoner};
use crate::support::server::{Server, TEST_KEY};
use serde_json::Value;

fn run(server: &Server, line: &[&str]) -> Ended {
    reckoner(line, &[("RECKONER_URL", &server.url("")), ("RECKONER_API_KEY", TEST_KEY)])
}

async fn plans(server: &Server) -> Vec<Value> {
    server.get("/v1/plans").await.json()["data"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_is_shown_first_and_put_in_force_whole() {
    let (server, dir) = (Server::start(), tempfile::tempdir().expect("a directory"));
    let shown = run(&server, &["catalog", "diff", "analytics", "--make-meters"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for line in
        ["create plan enterprise (version 1)", "create plan free (version 1)", "create plan pro (version 1)"]
    {
        assert!(shown.out.contains(line), "{line}: {}", shown.out);
    }
    assert_eq!(plans(&server).await, Vec::<Value>::new());
    let applied = run(&server, &["catalog", "apply", "analytics", "--make-meters", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.out.starts_with(&shown.out), "what it changes comes first: {}", applied.out);
    assert!(applied.out.contains("in force: 3 changed, 0 as they were"), "{}", applied.out);
    let before = plans(&server).await;
    assert_eq!(before.len(), 3);
    let again = run(&server, &["catalog", "apply", "analytics", "--yes"]);
    assert_eq!((again.code, again.out.lines().next()), (0, Some("nothing differs (3 named)")));
    // A file with one plan that is wrong changes nothing of the others.
    let sample = run(&server, &["catalog", "sample", "analytics"]).out;
    let file = dir.path().join("plans.json");
    let path = file.display().to_string();
    let wrong = sample.replace("49.00", "59.00").replace("\"500.00\"", "\"-500.00\"");
    std::fs::write(&file, wrong).expect("written");
    let refused = run(&server, &["catalog", "apply", &path, "--yes"]);
    assert!(refused.code != 0 && refused.err.contains("base_price"), "{refused:?}");
    assert_eq!(plans(&server).await, before);
    // Nobody is there to be asked.
    std::fs::write(&file, sample.replace("49.00", "59.00")).expect("written");
    let asked = run(&server, &["catalog", "apply", &path]);
    assert!(asked.code != 0 && asked.out.contains("update plan pro (version 2)"), "{asked:?}");
    assert_eq!(plans(&server).await, before);
    let changed = run(&server, &["catalog", "apply", &path, "--yes"]);
    assert_eq!(changed.code, 0, "{changed:?}");
    let of_pro =
        |plans: &[Value]| plans.iter().find(|plan| plan["key"] == "pro").expect("pro")["base_price"].clone();
    assert_eq!(of_pro(&plans(&server).await), "59.00");
}
