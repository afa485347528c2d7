//! Many actors over one S3 model, one call at a time, in an order that a seed decides.
//!
//! ```text
//! actor ──call──> scheduling point ──> the model, at one instant ──> scheduling point ──> answer
//!                      └─ fault plan: refused, lost, late, hung, or its actor is killed
//! ```
//!
//! One thread, paused time. The scheduler moves when all actors wait for it; then it lets one of the waiting calls go on, lets
//! a late request land, or, where nothing else can be done and seldom otherwise, lets time pass. The same seed gives the same
//! log, byte for byte.

mod chance;
pub(crate) mod faults;
mod schedule;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::oracle::Watch;
use super::s3::{Model, Refusal};
pub(crate) use chance::Chance;
pub(crate) use faults::{Fault, Moment, Strike};
use schedule::Policy;

/// A simulated S3 and all that uses it.
#[derive(Clone)]
pub(crate) struct Sim {
    state: Arc<Mutex<State>>,
    /// A call waits, or an actor has ended.
    changed: Arc<Notify>,
}

struct State {
    began: Instant,
    /// How far the model's clock has been moved.
    told: Duration,
    model: Model,
    watch: Watch,
    log: Vec<Entry>,
    faults: Vec<Fault>,
    /// For the order of calls, and for all else, so that a fault more does not change the order.
    order: Chance,
    luck: Chance,
    policy: Policy,
    waiting: Vec<Waiting>,
    /// Requests that nobody waits for.
    under_way: Vec<UnderWay>,
    /// One lands about every so many moves.
    lands: u64,
    actors: Vec<Actor>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    tickets: u64,
    steps: u64,
}

/// Someone who makes calls, until it ends or is killed.
struct Actor {
    name: String,
    priority: u64,
    dies_next: bool,
    killed: bool,
    alive: bool,
    kill: Arc<Notify>,
}

/// A call at a scheduling point.
struct Waiting {
    ticket: u64,
    actor: usize,
    go: oneshot::Sender<()>,
    /// What lands, perhaps, if the one who waits is killed.
    orphan: Option<(Request, Land)>,
}

struct UnderWay {
    actor: usize,
    request: Request,
    land: Land,
}

type Land = Arc<dyn Fn(&mut Model) -> String + Send + Sync>;
type Work<T> = Arc<dyn Fn(&mut Model) -> Result<T, Refusal> + Send + Sync>;

/// What is asked of S3.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GetObject`, `ListObjectsV2`, ...
    pub(crate) operation: &'static str,
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Conditions and the like, for the log.
    pub(crate) note: String,
}

impl Request {
    pub(crate) fn writes(&self) -> bool {
        !matches!(
            self.operation,
            "GetObject" | "HeadObject" | "ListObjectsV2" | "ListMultipartUploads"
        )
    }
}

/// A call, as the log has it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Duration,
    pub(crate) actor: String,
    pub(crate) request: Request,
    pub(crate) answer: String,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Request {
            operation,
            bucket,
            key,
            note,
        } = &self.request;
        let space = if note.is_empty() { "" } else { " " };
        write!(
            f,
            "{:>10.3} {:<8} {operation} {bucket}/{key}{space}{note} -> {}",
            self.at.as_secs_f64(),
            self.actor,
            self.answer
        )
    }
}

/// Why a request was not done, or not known to be done.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// S3's own answer.
    Refused(Refusal),
    /// The fault plan's.
    Status(u16),
    /// None came.
    NoAnswer,
}

/// Moves that no simulation makes.
const NEVER: u64 = u64::MAX;
/// How long a client waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl Sim {
    /// Over a model whose time stands at `time` when the simulation begins. To be called inside of a runtime.
    pub(crate) fn new(model: Model, seed: u64) -> Self {
        let mut order = Chance::new(seed);
        let policy = Policy::draw(&mut order);
        let lands = order.pick(&[6, 60, NEVER]);
        let state = State {
            began: Instant::now(),
            told: Duration::ZERO,
            model,
            watch: Watch::default(),
            log: Vec::new(),
            faults: Vec::new(),
            order,
            luck: Chance::new(seed ^ 0x5eed),
            policy,
            waiting: Vec::new(),
            under_way: Vec::new(),
            lands,
            actors: Vec::new(),
            tasks: Vec::new(),
            tickets: 0,
            steps: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A number below `n`, of the seed.
    pub(crate) fn draw(&self, n: u64) -> u64 {
        self.state().luck.below(n)
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// From now on nothing goes wrong but what has gone wrong already.
    pub(crate) fn stop_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.actors.iter_mut().for_each(|actor| actor.dies_next = false);
    }

    /// From now on late requests land only by [`Sim::land_all`].
    pub(crate) fn hold_late(&self) {
        self.state().lands = NEVER;
    }

    /// The model, for a test that changes or reads it between calls.
    pub(crate) fn with_model<T>(&self, work: impl FnOnce(&mut Model) -> T) -> T {
        let mut state = self.state();
        state.tell_time();
        work(&mut state.model)
    }

    pub(crate) fn with_watch<T>(&self, work: impl FnOnce(&mut Watch, &Model) -> T) -> T {
        let mut state = self.state();
        state.tell_time();
        let State { watch, model, .. } = &mut *state;
        work(watch, model)
    }

    /// What S3 takes for now.
    pub(crate) fn now(&self) -> SystemTime {
        self.with_model(|model| model.now())
    }

    pub(crate) fn log(&self) -> Vec<Entry> {
        self.state().log.clone()
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let state = self.state();
        let from = state.log.len().saturating_sub(lines);
        let lines: Vec<String> = state.log[from..].iter().map(Entry::to_string).collect();
        lines.join("\n")
    }

    /// Calls made so far.
    pub(crate) fn calls(&self) -> usize {
        self.state().log.len()
    }

    /// Begins to run an actor: what it comes to is put where `end` says, nothing if it was killed.
    pub(crate) fn spawn<F>(&self, name: impl Into<String>, body: impl FnOnce(Handle) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let kill = Arc::new(Notify::new());
        let id = {
            let mut state = self.state();
            let priority = state.order.next();
            state.actors.push(Actor {
                name: name.into(),
                priority,
                dies_next: false,
                killed: false,
                alive: true,
                kill: Arc::clone(&kill),
            });
            state.actors.len() - 1
        };
        let handle = Handle {
            sim: self.clone(),
            actor: id,
        };
        let running = body(handle);
        let ending = Ending {
            sim: self.clone(),
            actor: id,
        };
        let task = tokio::spawn(async move {
            let _ending = ending;
            tokio::select! {
                biased;
                () = kill.notified() => {}
                () = running => {}
            }
        });
        self.state().tasks.push(task);
    }

    /// Whether the actor with this name was killed.
    pub(crate) fn was_killed(&self, name: &str) -> bool {
        self.state()
            .actors
            .iter()
            .any(|actor| actor.name == name && actor.killed)
    }

    fn note(&self, request: &Request, actor: usize, answer: String) {
        let mut state = self.state();
        let at = state.began.elapsed();
        let name = state.actors[actor].name.clone();
        state.log.push(Entry {
            at,
            actor: name,
            request: request.clone(),
            answer,
        });
    }

    /// The instant at which a request takes effect.
    fn effect<T>(
        &self,
        request: &Request,
        actor: usize,
        comment: &str,
        work: impl FnOnce(&mut Model) -> Result<T, Refusal>,
        tell: impl FnOnce(&T) -> String,
    ) -> Result<T, Refusal> {
        let answer = {
            let mut state = self.state();
            state.tell_time();
            let answer = work(&mut state.model);
            if request.writes() {
                let at = state.log.len();
                let State {
                    watch, model, actors, ..
                } = &mut *state;
                let by = comment.is_empty().then_some(actors[actor].name.as_str());
                watch.see(model, request, by, at);
            }
            answer
        };
        let told = match &answer {
            Ok(value) => tell(value),
            Err(refusal) => refusal.code().to_owned(),
        };
        self.note(request, actor, format!("{told}{comment}"));
        answer
    }

    fn kill(&self, actor: usize) {
        let mut state = self.state();
        let actor = &mut state.actors[actor];
        actor.killed = true;
        actor.kill.notify_one();
    }
}

impl State {
    /// The model's clock follows the time of the runtime.
    fn tell_time(&mut self) {
        let now = self.began.elapsed();
        self.model.advance(now - self.told);
        self.told = now;
    }
}

/// Tells the scheduler that an actor has ended.
struct Ending {
    sim: Sim,
    actor: usize,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.sim.state().actors[self.actor].alive = false;
        self.sim.changed.notify_one();
    }
}

/// An actor's way to S3.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) sim: Sim,
    actor: usize,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Handle {
    pub(crate) fn name(&self) -> String {
        self.sim.state().actors[self.actor].name.clone()
    }

    /// One request, sent once.
    pub(crate) async fn request<T: Send + 'static>(
        &self,
        request: &Request,
        work: Work<T>,
        tell: fn(&T) -> String,
    ) -> Result<T, Failure> {
        let sim = &self.sim;
        let effect = |comment: &str| sim.effect(request, self.actor, comment, |model| work(model), tell);
        let land = || {
            let work = Arc::clone(&work);
            let land: Land = Arc::new(move |model| match work(model) {
                Ok(value) => tell(&value),
                Err(refusal) => refusal.code().to_owned(),
            });
            land
        };
        let strike = self.begin(request);
        let orphan = (strike.is_none() && request.writes()).then(|| (request.clone(), land()));
        self.pass_with(orphan).await;
        let nothing = |what: &str| sim.note(request, self.actor, format!("not done: {what}"));
        let answer = match strike {
            None | Some(Strike::Kill(Moment::Answered)) => effect(""),
            Some(Strike::Answer(status)) => {
                nothing(&status.to_string());
                self.pass().await;
                return Err(Failure::Status(status));
            }
            Some(Strike::Close) => {
                nothing("connection closed");
                self.pass().await;
                return Err(Failure::NoAnswer);
            }
            Some(Strike::CloseAfter) => {
                let _ = effect(" (answer lost)");
                self.pass().await;
                return Err(Failure::NoAnswer);
            }
            Some(Strike::Late) => {
                nothing("no answer, still under way");
                self.leave(request, land());
                self.pass().await;
                return Err(Failure::NoAnswer);
            }
            Some(Strike::Hang) => {
                nothing("hangs");
                tokio::time::sleep(ANSWER_TIMEOUT).await;
                return Err(Failure::NoAnswer);
            }
            Some(Strike::Kill(moment)) => {
                match moment {
                    Moment::Before => nothing("killed"),
                    Moment::Late => {
                        nothing("killed, still under way");
                        self.leave(request, land());
                    }
                    Moment::Applied | Moment::Answered => drop(effect(" (killed)")),
                }
                sim.kill(self.actor);
                std::future::pending().await
            }
        };
        self.pass().await;
        answer.map_err(Failure::Refused)
    }

    /// Counts a call, and asks the plan what happens to it.
    fn begin(&self, request: &Request) -> Option<Strike> {
        let mut state = self.sim.state();
        let State {
            actors, faults, luck, ..
        } = &mut *state;
        let actor = &mut actors[self.actor];
        let strike = faults::struck(faults, &actor.name, request, luck);
        if actor.dies_next {
            return Some(Strike::Kill(Moment::Before));
        }
        actor.dies_next = strike == Some(Strike::Kill(Moment::Answered));
        strike
    }

    /// A scheduling point.
    pub(crate) async fn pass(&self) {
        self.pass_with(None).await;
    }

    async fn pass_with(&self, orphan: Option<(Request, Land)>) {
        let (go, gone) = oneshot::channel();
        let ticket = {
            let mut state = self.sim.state();
            state.tickets += 1;
            let ticket = state.tickets;
            state.waiting.push(Waiting {
                ticket,
                actor: self.actor,
                go,
                orphan,
            });
            ticket
        };
        self.sim.changed.notify_one();
        let _passing = Passing {
            handle: self.clone(),
            ticket,
        };
        gone.await.expect("the scheduler lets every call go on");
    }

    /// What only the scheduler and the watch know of: an effect of somebody else, at one instant.
    pub(crate) async fn act(&self, request: Request, work: impl FnOnce(&mut Model) -> String) {
        self.pass().await;
        let done = self
            .sim
            .effect(&request, self.actor, "", |model| Ok(work(model)), String::clone);
        debug_assert!(done.is_ok());
    }

    fn leave(&self, request: &Request, land: Land) {
        self.sim.state().under_way.push(UnderWay {
            actor: self.actor,
            request: request.clone(),
            land,
        });
    }
}

/// Somebody at a scheduling point. Killed there, it leaves the queue; its request may be under way already.
struct Passing {
    handle: Handle,
    ticket: u64,
}

impl Drop for Passing {
    fn drop(&mut self) {
        let mut state = self.handle.sim.state();
        let Some(at) = state.waiting.iter().position(|waiting| waiting.ticket == self.ticket) else {
            return;
        };
        let Waiting { actor, orphan, .. } = state.waiting.remove(at);
        if let Some((request, land)) = orphan
            && state.actors[actor].killed
            && state.luck.one_in(2)
        {
            state.under_way.push(UnderWay { actor, request, land });
        }
    }
}
