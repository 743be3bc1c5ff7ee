//! Following a run at a terminal at which somebody sits: its lines are drawn again and again, and keys are read.

use std::cell::RefCell;
use std::pin::Pin;
use std::time::Duration;

use inoculate_core::error::Result;
use inoculate_core::names::RunId;
use inoculate_core::run::Event;
use inoculate_core::span::Span;

use super::Context;
use super::abort::{Aborted, end};
use super::follow::{End, Look, interrupted, until_over};
use crate::render;
use crate::render::live::{Asked, View, lines};
use crate::terminal::{Key, Raw, pressed, size};

/// How often keys are read and the lines are drawn.
const TICK: Duration = Duration::from_millis(100);

/// How long to wait until everything is back.
const TIMEOUT: Span = Span::from_secs(300);

/// Shows what happens in a run until it is over or a person leaves. The terminal is as it was afterwards.
///
/// # Errors
/// What AWS answers, when it goes on answering so. The run itself goes on then.
pub(super) async fn follow(context: &Context<'_>, id: &RunId, raw: Raw) -> Result<End> {
    let live = Live {
        context,
        view: RefCell::new(View::new(id.clone())),
    };
    let end = tokio::select! {
        end = until_over(context, id, |look| live.show(look)) => end,
        () = live.listen() => Ok(End::Interrupted),
        () = interrupted() => Ok(End::Interrupted),
    };
    context.output.status(&[]);
    drop(raw);
    end
}

struct Live<'a> {
    context: &'a Context<'a>,
    view: RefCell<View>,
}

/// An abort under way.
type Aborting<'a> = Pin<Box<dyn Future<Output = Result<Aborted>> + 'a>>;

impl Live<'_> {
    /// Keeps what was seen, and prints what happened above the lines.
    fn show(&self, look: Look<'_>) {
        let mut view = self.view.borrow_mut();
        view.run = look.run.cloned();
        let (Some(run), Some(news)) = (look.run, look.news) else {
            return;
        };
        view.experiment = news.experiment;
        view.results = news.results;
        let output = self.context.output;
        // What a round saw is in the lines.
        let entries = news.entries.iter();
        for entry in entries.filter(|entry| !matches!(entry.event, Event::Observed { .. })) {
            output.progress(&render::journal::news(entry, run.opened_at, output.stderr));
        }
    }

    /// Draws, and does what keys say; ends when a person leaves.
    async fn listen(&self) {
        let mut aborting: Option<Aborting<'_>> = None;
        loop {
            self.draw();
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                aborted = async { aborting.as_mut()?.await.into() }, if aborting.is_some() => {
                    aborting = None;
                    self.aborted(aborted);
                }
            }
            // A terminal that cannot be read has no keys; the run is shown all the same.
            while let Ok(Some(key)) = pressed() {
                let (asked, may_abort) = (self.view.borrow().asked, self.view.borrow().may_abort());
                match answer(asked, key, may_abort) {
                    Answer::Leave => return,
                    Answer::Ask(asked) => self.view.borrow_mut().asked = asked,
                    Answer::Abort => {
                        self.view.borrow_mut().asked = Asked::Aborting;
                        aborting = Some(Box::pin(self.abort()));
                    }
                }
            }
        }
    }

    async fn abort(&self) -> Result<Aborted> {
        let id = self.view.borrow().id.clone();
        end(self.context, &id, "by a key in the live view", TIMEOUT).await
    }

    /// The run is followed to its end in any case: its record says what came of it.
    fn aborted(&self, outcome: Option<Result<Aborted>>) {
        self.view.borrow_mut().asked = Asked::Nothing;
        if let Some(Err(error)) = outcome {
            let output = self.context.output;
            output.progress(&render::error::text(&error, output.stderr));
        }
    }

    fn draw(&self) {
        let output = self.context.output;
        let now = self.context.aws.ports.clock.now();
        output.status(&lines(&self.view.borrow(), now, size(), output.stderr));
    }
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Leave,
    Ask(Asked),
    Abort,
}

/// What a key means after what was asked. Only `a` and then `y` abort.
fn answer(asked: Asked, key: Key, may_abort: bool) -> Answer {
    match (asked, key) {
        (_, Key::Interrupt) => Answer::Leave,
        (Asked::Abort, Key::Letter('y')) if may_abort => Answer::Abort,
        (Asked::Abort, _) => Answer::Ask(Asked::Nothing),
        (_, Key::Letter('q')) => Answer::Leave,
        (Asked::Nothing, Key::Letter('a')) if may_abort => Answer::Ask(Asked::Abort),
        (asked, _) => Answer::Ask(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_and_then_y_abort() {
        use Asked::{Abort, Aborting, Nothing};
        let (a, y, q) = (Key::Letter('a'), Key::Letter('y'), Key::Letter('q'));
        for (asked, key, may_abort, expected) in [
            (Nothing, a, true, Answer::Ask(Abort)),
            (Nothing, a, false, Answer::Ask(Nothing)),
            (Nothing, y, true, Answer::Ask(Nothing)),
            (Nothing, q, true, Answer::Leave),
            (Abort, y, true, Answer::Abort),
            (Abort, y, false, Answer::Ask(Nothing)),
            (Abort, a, true, Answer::Ask(Nothing)),
            (Abort, q, true, Answer::Ask(Nothing)),
            (Abort, Key::Other, true, Answer::Ask(Nothing)),
            (Abort, Key::Interrupt, true, Answer::Leave),
            (Aborting, a, true, Answer::Ask(Aborting)),
            (Aborting, q, true, Answer::Leave),
        ] {
            assert_eq!(answer(asked, key, may_abort), expected, "{asked:?} {key:?} {may_abort}");
        }
    }
}
