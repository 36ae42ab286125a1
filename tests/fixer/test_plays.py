"""All broken migrations, each with its recorded answers."""
import pytest
from plays import all_plays

PLAYS = all_plays()


@pytest.mark.parametrize("protocol, part", [("openai", PLAYS[::2]), ("anthropic", PLAYS[1::2])])
def test_each_play_ends_as_it_has_to(stage, protocol, part):
    stage.use(protocol)
    complaints = [f"{play.failure}: {play.name}: {outcome.complaint}" for play, outcome in
                  ((play, stage.perform(play)) for play in part) if outcome.complaint]
    assert not complaints, "\n".join(complaints)


def test_there_are_plays_of_every_kind():
    assert len(PLAYS) >= 80
    assert len({play.failure for play in PLAYS}) >= 12
    for kind in ("good", "bad", "weakening", "malicious", "fault"):
        assert any(kind == offered for play in PLAYS for offered, _ in play.answers), kind
    assert len({play.broken for play in PLAYS}) == len(PLAYS)
