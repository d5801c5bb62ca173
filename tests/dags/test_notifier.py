"""Which runs the metrics hear of."""


def test_a_night_that_somebody_tries_out_is_not_told_of_as_the_night(facts):
    nights = [told for told in facts["told"] if told.startswith("caption_nightly")]
    assert nights == ["caption_nightly scheduled {}", "caption_nightly manual {'held_night': 'n'}"]
    assert len(facts["told"]) - len(nights) == 4  # trainings are begun by people
