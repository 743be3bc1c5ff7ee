//! Schedules.

use async_trait::async_trait;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::ScheduleName;
use inoculate_core::schedule::{Schedule, Schedules};

use super::World;

#[async_trait]
impl Schedules for World {
    async fn add(&self, schedule: &Schedule) -> Result<()> {
        self.change(|state| {
            if state.schedules.contains_key(&schedule.name) {
                let message = format!("making the schedule {}: there is one of this name", schedule.name);
                return Err(Error::new(Code::Conflict, message));
            }
            let made = Schedule {
                made_at: Some(state.now),
                ..schedule.clone()
            };
            state.schedules.insert(schedule.name.clone(), made);
            Ok(())
        })
    }

    async fn list(&self) -> Result<Vec<Schedule>> {
        Ok(self.look(|state| state.schedules.values().cloned().collect()))
    }

    async fn remove(&self, name: &ScheduleName) -> Result<bool> {
        Ok(self.change(|state| state.schedules.remove(name).is_some()))
    }
}
