//! What a killed load from files left is brought to its end without a pause.
//!
//! The process that is killed is a real one. The next load runs here, by a clock that stands still as long as anything is
//! done and jumps ahead when nothing is left to do but wait: that it has not moved at the end says that nobody waited.

use std::sync::Arc;
use std::time::Duration;

use lakebed::engine::{Engine, EngineConfig};
use lakebed::load::RunOptions;
use lakebed::pipeline::Progress;
use lakebed::place::Place as LakePlace;
use lakebed::report::Summary;
use lakebed::settings::{Flags, Settings};
use lakebed::source::listing::{Selection, pack};
use lakebed::source::local;
use lakebed::table::Tables;
use tokio::time::Instant;

use crate::killing::{Strike, kill};
use crate::moment::Tally;
use crate::raw::{Like, content};
use crate::sandbox::Run as _;
use crate::scene::{Place, Scene, ends_well};
use crate::shapes::SMALL;

/// Loads all files of a scene, as the command line does, and tells how long it waited.
async fn load(scene: &Scene, reload: bool) -> Duration {
    let begun = Instant::now();
    let settings = Settings::read(&Flags::new(), &Flags::new(), std::iter::empty(), None).unwrap();
    let tables = Tables::load(&scene.cloud.path("schemas")).unwrap();
    let lake = LakePlace::parse(scene.cloud.path("lake")).unwrap();
    let config = EngineConfig {
        settings: &settings,
        tables: &tables,
        lake: &lake,
        s3: None,
        arrival_s: None,
        unwraps: false,
        writes: true,
        progress: Arc::new(Progress::default()),
    };
    let engine = Engine::open(config).await.unwrap();
    let mut listing = local::list(&[scene.cloud.path("raw")], &Selection::default()).unwrap();
    listing.settle();
    let jobs = pack(listing.sources, settings.job_bytes);
    let options = RunOptions {
        jobs_max: engine.jobs_max,
        reload,
    };
    let mut summary = Summary::new("backfill", lake.to_string());
    engine.loader.run(jobs, options, &mut summary, &mut |_, _| {}).await;
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    begun.elapsed()
}

#[test]
fn a_killed_load_from_files_is_brought_to_its_end_without_waiting() {
    for reload in [false, true] {
        for part in ["_lakebed/open/", "_lakebed/claims/", ".parquet", "_lakebed/jobs/"] {
            let mut scene = Scene::new(Place::Folder, &SMALL);
            if reload {
                // Jobs that take the place of others, one of them for an object that was replaced.
                ends_well(scene.backfill(&[]).run());
                scene.put("a/0.json", &Arc::new(content(Like::small(50_000..50_030))));
            }
            let there = scene.count(part);
            let mut command = scene.backfill(&[]);
            command.args(reload.then_some("--reload"));
            kill(
                &mut scene,
                command,
                &Strike::Keys(part, there + 2),
                &mut Tally::default(),
            );
            let clock = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .unwrap();
            let waited = clock.block_on(load(&scene, reload));
            assert_eq!(waited, Duration::ZERO, "{part}, reload: {reload}");
            scene.prove();
        }
    }
}

#[test]
fn the_clock_moves_when_somebody_waits() {
    let clock = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let waited = clock.block_on(async {
        let begun = Instant::now();
        // Work on another thread is no waiting, as long as it may take.
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20)))
            .await
            .unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_millis(50)).await;
        begun.elapsed()
    });
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
}
