use crate::answer::Answer;
use crate::server::Asked;
pub(crate) fn embeddings(_: &Asked<'_>) -> Answer {
    Answer::refusal(404, "")
}
