from agent.core.facts import FindingKind, Progress, Role
from agent.core.patterns import Found
from agent.core.runs import Run, marked, progressed


class Story:
    """Feeds a log's progress and findings, and counts where runs begin."""

    def __init__(self):
        self.run, self.shown, self.begun = Run(0), None, []

    def sees(self, step=None, total=100, loss=None, epoch=None, weak=False, stepless=False):
        found = Found(Progress(step=step, total=total, loss=loss, epoch=epoch), weak, stepless)
        self.run, self.shown, begun = progressed(self.run, self.shown, found, offset=99)
        if begun:
            self.begun.append(step)
        return self

    def finds(self, kind, role=Role.ROOT, offset=1):
        self.run = marked(self.run, kind, role, offset, self.shown)
        return self


def test_the_first_progress_of_a_log_begins_a_run():
    assert Story().sees(3).sees(4).begun == [3]


def test_a_start_marker_puts_the_next_run_behind_it():
    story = Story().sees(50).finds(FindingKind.STARTED, Role.MARKER, offset=9).sees(50)
    assert story.begun == [50, 50]
    assert story.run.anchor == 9


def test_the_bar_drawn_once_more_below_a_completion_begins_nothing():
    assert Story().sees(0).sees(100).finds(FindingKind.COMPLETED, Role.MARKER).sees(100).begun == [0]


def test_the_evaluation_after_training_begins_nothing_and_shows_nothing():
    story = Story().sees(0).sees(100).finds(FindingKind.COMPLETED, Role.MARKER).sees(0, total=8).sees(8, total=8)
    assert story.begun == [0]
    assert story.shown.step == 100


def test_a_second_run_after_a_completed_one_begins():
    assert Story().sees(0).sees(100).finds(FindingKind.COMPLETED, Role.MARKER).sees(100).sees(0).begun == [0, 0]
    again = Story().sees(0).sees(100).finds(FindingKind.COMPLETED, Role.MARKER).sees(1, total=50, loss=0.3)
    assert again.begun == [0, 1]
    assert again.shown == Progress(step=1, total=50, loss=0.3)


def test_the_bar_drawn_once_more_below_a_traceback_begins_nothing():
    story = Story().sees(0).sees(55).finds(FindingKind.CRASH).sees(57)
    assert story.begun == [0]
    assert story.shown.step == 57


def test_a_run_that_starts_over_after_a_crash_begins_and_forgets_the_old_loss():
    story = Story().sees(0).sees(55, loss=0.5).finds(FindingKind.CRASH, offset=7).sees(57).sees(0)
    assert story.begun == [0, 0]
    assert story.shown.loss is None
    assert story.run.anchor == 7


def test_steps_that_go_on_after_an_error_tell_of_a_run():
    story = Story().sees(0).finds(FindingKind.GPU_OOM).sees(0).sees(1).sees(2)
    assert story.begun == [0, 2]


def test_a_later_epoch_is_not_a_run_that_starts_over():
    story = Story().sees(18, epoch=3).finds(FindingKind.GPU_OOM).sees(0, epoch=4)
    assert story.begun == [18]


def test_what_is_no_root_changes_nothing():
    story = Story().sees(5)
    before = story.run
    assert story.finds(FindingKind.GPU_OOM, Role.SURVIVABLE).finds(FindingKind.CRASH, Role.ADVICE).run == before


def test_an_error_after_the_end_does_not_undo_it():
    story = (
        Story().sees(0).sees(100).finds(FindingKind.COMPLETED, Role.MARKER).finds(FindingKind.CRASH).sees(0, total=8)
    )
    assert story.begun == [0]


def test_a_weak_number_begins_nothing():
    assert Story().sees(loss=0.5, total=None, weak=True).begun == []


def test_an_evaluation_within_training_does_not_displace_its_bar():
    story = Story().sees(500, total=1000, loss=0.5).sees(3, total=8)
    assert (story.shown.step, story.shown.total) == (500, 1000)
    assert story.sees(3, total=8, loss=0.1).shown.total == 8


def test_a_loss_on_a_line_of_its_own_is_that_of_a_counter_without_one():
    story = Story().sees(3).sees(loss=2.5, stepless=True).sees(4).sees(loss=2.25, stepless=True)
    assert (story.shown.step, story.shown.loss) == (4, 2.25)


def test_a_loss_on_a_line_of_its_own_does_not_displace_that_of_the_counter():
    assert Story().sees(3, loss=2.5).sees(loss=9.0, stepless=True).shown.loss == 2.5
