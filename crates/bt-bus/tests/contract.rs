//! The contract of a bus, on [`Bus`].

use bt_bus::Bus;
use bt_core::Event;
use bt_testkit::bus_contract::BusContract;

macro_rules! contract {
    ($($check:ident)*) => { $(
        #[test]
        fn $check() {
            BusContract::new(|topics| Bus::<Event>::builder().topics(topics.iter().copied()).log_topic("log").build().unwrap()).$check();
        }
    )* };
}
contract! {
    r26_numbers_are_per_topic_and_without_holes
    r26_every_subscriber_sees_one_order
    r28_the_barrier_is_exact
    r28_the_barrier_counts_what_consumers_publish
    r28_the_stuck_are_named
    r29_accepted_is_enqueued_everywhere
    r29_two_loggers_and_a_slow_subscriber
    r29_a_reservation_that_is_dropped_goes_to_the_next
    r30_what_was_accepted_is_delivered_after_close
    r31_refusals
    r34_a_subscription_that_is_dropped_holds_up_nobody
    counters_add_up
    check
}
