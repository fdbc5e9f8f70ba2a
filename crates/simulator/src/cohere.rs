use crate::answer::Answer;
use crate::server::Asked;
pub(crate) fn chat(_: &Asked<'_>) -> Answer {
    Answer::refusal(404, "")
}
