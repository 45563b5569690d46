//! A bounded, ordered in-process bus with acknowledgements, a barrier and a journal
