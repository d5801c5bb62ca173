"""Images without a caption."""

from serving.app.quarantine import quarantined_images
from serving.app.review import Review


def test_images_stand_by_their_reason_until_they_have_a_caption(world):
    empty = [world.put(f"{name}.jpg", b"") for name in "ab"]
    text = world.put("c.jpg", b"no image")
    world.night()
    world.put("d.jpg", b"")
    world.night("n2")
    review = Review(world.home, "ann")
    told = quarantined_images(review, "n1")
    groups = [(group["reason"], group["images"], group["replay"]) for group in told["groups"]]
    assert [(reason, sorted(images)) for reason, images, _ in groups] == [("empty", empty), ("not_an_image", [text])]
    assert groups[0][2] == ["replay", "--night", "n1", "--reason", "empty"]
    assert told["groups"][0]["meaning"] == "The file has no bytes."
    assert review.listed == {*empty, text}
    assert quarantined_images(review, "")["total"] == 4
    world.fill(1)
    world.put("c.jpg", (world.home.inbox / "000.jpg").read_bytes())
    world.night("n3")
    review.index.refresh()
    assert [group["reason"] for group in quarantined_images(review, "")["groups"]] == ["empty"]
