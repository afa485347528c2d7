//! Threads, the size of blocks, memory, jobs at once, the order in which sources are given and the seeds of hash tables
//! decide no byte: each cell is staged in a process of its own, and gives the files of the first one.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use lakebed::job::identity::Plan;
use lakebed::job::stage::Job;

use crate::copied_sources::{TABLES, world};
use crate::sandbox::Dice;
use crate::world::World;

/// Cells on each change; `LAKEBED_TEST_ROUNDS` may ask for more.
const ROUNDS_MIN: u64 = 20;
const CELL: &str = "LAKEBED_TEST_CELL";
const ROOT: &str = "LAKEBED_TEST_ROOT";

#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    threads: u64,
    block_bytes: u64,
    memory: u64,
    jobs: u64,
    order: u64,
}

impl Cell {
    const FIRST: Self = Self {
        threads: 1,
        block_bytes: 1 << 20,
        memory: 256 << 20,
        jobs: 1,
        order: 0,
    };

    /// Every number of threads, size of blocks and amount of memory comes up within few cells.
    fn of(round: u64) -> Self {
        const BLOCKS: [u64; 9] = [1, 7, 100, 1 << 10, 4 << 10, 33_333, 64 << 10, 1 << 20, 8 << 20];
        const MEMORY: [u64; 5] = [1, 10_000, 1 << 20, 16 << 20, 256 << 20];
        let mut dice = Dice(round);
        Self {
            threads: 1 + round % 8,
            block_bytes: BLOCKS[(round % BLOCKS.len() as u64) as usize],
            memory: MEMORY[(round % MEMORY.len() as u64) as usize],
            jobs: 1 + dice.below(4),
            order: dice.next() >> 1,
        }
    }

    /// Every file that comes out of it, with its hash: of a job that reads all, and of one that copies some.
    fn files(self, root: &str) -> Vec<String> {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "repeatable::one_cell", "--ignored", "--nocapture"]);
        let Self {
            threads,
            block_bytes,
            memory,
            jobs,
            order,
        } = self;
        command.env(
            CELL,
            [threads, block_bytes, memory, jobs, order]
                .map(|number| number.to_string())
                .join(" "),
        );
        let ran = command
            .env(ROOT, root)
            .env("RAYON_NUM_THREADS", threads.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(
            ran.status.success(),
            "{self:?}\n{text}\n{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let files = text
            .lines()
            .filter_map(|line| line.split_once("file: "))
            .map(|(_, file)| file.to_owned());
        files.collect()
    }
}

/// As the environment has it.
impl FromStr for Cell {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next().unwrap();
        Ok(Self {
            threads: next()?,
            block_bytes: next()?,
            memory: next()?,
            jobs: next()?,
            order: next()?,
        })
    }
}

#[test]
fn threads_blocks_memory_jobs_order_and_seeds_decide_no_byte() {
    let world = world();
    world.load();
    let root = world.root.to_str().unwrap();
    let asked = env::var("LAKEBED_TEST_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let rounds = asked.unwrap_or(0).max(ROUNDS_MIN);
    let first = Cell::FIRST.files(root);
    let files = |ending: &str| first.iter().filter(|file| file.contains(ending)).count();
    assert!(files("-0000.parquet") > 8 && files("-0001.parquet") > 2, "{first:#?}");
    assert!(files("-0001.ndjson.gz") == 1, "{first:#?}");
    for cell in (0..rounds).map(Cell::of) {
        assert_eq!(cell.files(root), first, "{cell:?} differs from {:?}", Cell::FIRST);
    }
}

/// Stages the cell of the environment, each job as often at once as it says, and prints the files.
#[test]
#[ignore = "the matrix runs it, in processes of their own"]
#[expect(clippy::print_stdout, reason = "that is how the matrix hears of it")]
fn one_cell() {
    let Ok(cell) = env::var(CELL) else { return };
    let cell: Cell = cell.parse().unwrap();
    let mut world = World::at(PathBuf::from(env::var_os(ROOT).unwrap()), &TABLES);
    world.block_bytes = cell.block_bytes as usize;
    world.memory = cell.memory as usize;
    assert_eq!(rayon::current_num_threads() as u64, cell.threads);
    let of = world.outcome(world.job().id());
    let (heir, heritage) = world.heir(&of, &BTreeSet::from(["a.json", "b.json.gz", "d.json", "f.json"]));
    for (job, heritage) in [(world.job(), None), (heir, Some(&heritage))] {
        let mut sources = job.sources().to_vec();
        let mut dice = Dice(cell.order);
        (1..sources.len()).for_each(|place| sources.swap(place, dice.below(place as u64 + 1) as usize));
        let plan = if heritage.is_none() { "1" } else { "2" };
        let again = Job::new(&Plan::new(plan, "", ""), sources);
        assert_eq!(again.id(), job.id());
        let staged = std::thread::scope(|scope| {
            let running: Vec<_> = (0..cell.jobs)
                .map(|_| scope.spawn(|| world.stage(&again, heritage).unwrap()))
                .collect();
            running.into_iter().map(|job| job.join().unwrap()).collect::<Vec<_>>()
        });
        let files = staged.iter().map(|staged| {
            let files = staged.files.iter().map(|prepared| &prepared.file);
            let mut files: Vec<String> = files
                .map(|file| format!("{} {} {:?}", file.key, file.sha256, file.rows_of))
                .collect();
            files.sort();
            files.push(serde_json::to_string(&staged.report).unwrap());
            files
        });
        let mut files: Vec<Vec<String>> = files.collect();
        files.dedup();
        assert_eq!(files.len(), 1, "jobs at once differ");
        files[0].iter().for_each(|file| println!("file: {file}"));
    }
}
