from chainlets.chains.transcribe.spelling import timed_words

PATH = [(0, 10), (0, 20), (1, 30), (2, 40), (3, 45), (4, 50)]


def test_words_begin_and_end_where_the_path_enters_and_leaves_them():
    words = timed_words([" Hello", " you"], [2, 1], path=PATH, probabilities=[0.5, 0.7, 0.9], length=10.0)
    assert [(word.start, word.end, word.text) for word in words] == [(0.2, 0.8, " Hello"), (0.8, 0.9, " you")]
    assert [round(word.confidence or 0, 3) for word in words] == [0.6, 0.9]


def test_punctuation_belongs_to_a_word():
    words = timed_words(
        [" “", "Yes", ",", " sir", "."],
        [1, 1, 1, 1, 1],
        path=[(n, n * 10) for n in range(6)],
        probabilities=[1.0] * 5,
        length=10.0,
    )
    assert [(word.text, word.start, word.end) for word in words] == [
        ("“Yes,".replace("“", " “"), 0.2, 0.4),
        (" sir.", 0.6, 0.8),
    ]


def test_no_time_lies_past_the_window():
    (word,) = timed_words([" end"], [1], path=[(0, 900)], probabilities=[0.5], length=10.0)
    assert (word.start, word.end) == (10.0, 10.0)


def test_nothing_written_has_no_words():
    assert timed_words([], [], path=[(0, 0)], probabilities=[], length=1.0) == []
