//! How the room for attempts is shared among endpoints.

/// How the room is used at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Attempts under way to the endpoint in question.
    pub its: u32,
    /// Attempts under way to all endpoints.
    pub all: u32,
    /// Endpoints with an attempt under way.
    pub endpoints: u32,
}

/// How many more attempts an endpoint may begin, when it may have `its_max` under way and all
/// endpoints together `all_max`.
///
/// Half of the room is kept for first attempts, one to each endpoint; the further ones share the
/// other half. So an endpoint with nothing under way finds room while fewer than half of `all_max`
/// endpoints are busy, however long all of them hang.
pub(super) fn may_begin(load: Load, its_max: u32, all_max: u32) -> u32 {
    let free = all_max.saturating_sub(load.all);
    let first = u32::from(load.its == 0).min(free).min(its_max);
    let further_under_way = load.all.saturating_sub(load.endpoints);
    let further = (all_max / 2).saturating_sub(further_under_way);
    first + further.min(free - first).min(its_max.saturating_sub(load.its + first))
}

#[cfg(test)]
mod tests {
    use super::{Load, may_begin};

    const ITS_MAX: u32 = 8;
    const ALL_MAX: u32 = 64;

    fn begins(its: u32, all: u32, endpoints: u32) -> u32 {
        may_begin(Load { its, all, endpoints }, ITS_MAX, ALL_MAX)
    }

    #[test]
    fn an_endpoint_takes_its_share_of_what_is_free() {
        assert_eq!(begins(0, 0, 0), 8);
        assert_eq!(begins(3, 10, 4), 5);
        assert_eq!(begins(8, 8, 1), 0);
        assert_eq!(begins(0, 36, 4), 1, "the further ones are used up");
        assert_eq!(begins(1, 36, 5), 1);
        assert_eq!(begins(1, 37, 5), 0);
        assert_eq!(begins(0, 64, 32), 0);
        assert_eq!(may_begin(Load { its: 0, all: 0, endpoints: 0 }, 0, ALL_MAX), 0);
    }

    #[test]
    fn endpoints_that_hang_leave_room_for_another() {
        let mut held: Vec<u32> = Vec::new();
        for hanging in 0..ALL_MAX / 2 {
            let count =
                |held: &[u32]| (held.iter().sum::<u32>(), held.iter().filter(|its| **its > 0).count());
            let (all, endpoints) = count(&held);
            assert!(begins(0, all, endpoints as u32) > 0, "{hanging} endpoints hold {all}");
            held.push(0);
            for endpoint in 0..held.len() {
                let (all, endpoints) = count(&held);
                held[endpoint] += begins(held[endpoint], all, endpoints as u32);
            }
            let (all, _) = count(&held);
            assert!(all <= ALL_MAX && held.iter().all(|its| (1..=ITS_MAX).contains(its)));
        }
    }
}
