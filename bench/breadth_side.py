"""Writes models as TensorFlow, Keras, CatBoost and transformers do, each in a folder of its own.

    python breadth_side.py FOLDER

Runs in bench/.breadth.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import catboost
import gguf
import keras
import numpy as np
import peft
import sentencepiece
import tensorflow as tf
import tokenizers
import torch
import transformers
from keras import layers

TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
WORDS = [
    "hello world this is text",
    "import os; os.system('x')",
    "def f(x): return eval(x)",
    "{{ a }} {% b %}",
] * 30
rng = np.random.default_rng(0)


def networks() -> Iterator[tuple[str, keras.Model, Any]]:
    """Networks of ordinary layers, and what they are fitted on."""
    x = rng.normal(size=(8, 4)).astype("float32")
    yield (
        "dense",
        keras.Sequential(
            [
                layers.Input((4,)),
                layers.Dense(3, activation="relu", kernel_regularizer="l2"),
                layers.BatchNormalization(),
                layers.Dropout(0.1),
                layers.Dense(2, activation="softmax"),
            ]
        ),
        x,
    )
    yield (
        "conv",
        keras.Sequential(
            [
                layers.Input((12, 12, 3)),
                layers.Rescaling(1 / 255.0),
                layers.RandomFlip(),
                layers.Conv2D(4, 3, padding="same"),
                layers.LeakyReLU(),
                layers.MaxPooling2D(),
                layers.SeparableConv2D(4, 3),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2),
            ]
        ),
        rng.normal(size=(8, 12, 12, 3)).astype("float32"),
    )
    yield (
        "recurrent",
        keras.Sequential(
            [
                layers.Input((5,)),
                layers.Embedding(10, 4),
                layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
                layers.GRU(3),
                layers.Dense(2),
            ]
        ),
        rng.integers(0, 10, (8, 5)),
    )
    sequence = layers.Input((6, 8))
    attended = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(sequence, sequence) + sequence)
    wide = layers.TimeDistributed(layers.Dense(3, activation="gelu"))(attended)
    pooled = keras.ops.relu(layers.GlobalMaxPooling1D()(wide)) * 2.0
    yield "attention", keras.Model(sequence, layers.Dense(2)(pooled)), rng.normal(size=(8, 6, 8))
    texts = layers.TextVectorization(20, output_sequence_length=5)
    texts.adapt(WORDS[:4])
    yield (
        "texts",
        keras.Sequential(
            [
                layers.Input((1,), dtype="string"),
                texts,
                layers.Embedding(20, 3),
                layers.GlobalAveragePooling1D(),
            ]
        ),
        None,
    )
    normal = layers.Normalization()
    normal.adapt(x)
    yield (
        "preprocessing",
        keras.Sequential(
            [
                layers.Input((4,)),
                normal,
                layers.Discretization(bin_boundaries=[0.0, 1.0]),
                layers.CategoryEncoding(4, output_mode="multi_hot"),
            ]
        ),
        None,
    )


class Module(tf.Module):  # type: ignore[misc]  # tensorflow has no types
    """Functions with loops, texts, pictures and a table."""

    def __init__(self) -> None:
        self.weight = tf.Variable([1.0, 2.0])
        keys = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
        self.table = tf.lookup.StaticHashTable(keys, 0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])  # type: ignore[untyped-decorator]  # the same
    def scored(self, x: Any) -> Any:
        """Numbers as texts."""
        for i in tf.range(3):
            x = x + tf.cast(i, tf.float32)
        return tf.strings.as_string(x * tf.reduce_sum(self.weight))

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # type: ignore[untyped-decorator]  # the same
    def picture(self, x: Any) -> Any:
        """A picture that is handed in."""
        return tf.io.decode_jpeg(x)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]  # the same
    def known(self, x: Any) -> Any:
        """Words looked up."""
        return self.table.lookup(tf.strings.regex_replace(tf.strings.lower(x), "[^a-z]", ""))


def tensorflow_models(folder: Path) -> None:
    """Keras's own formats, HDF5, SavedModels and checkpoints."""
    for name, model, data in networks():
        model.compile(
            "adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
        )
        if data is not None:
            model.fit(data, np.arange(8) % 2, verbose=0)
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        model.save_weights(folder / f"{name}.weights.h5")
        (folder / f"{name}.json").write_text(model.to_json())
        model.export(folder / f"{name} exported", verbose=False)
        tf.train.Checkpoint(model=model).save(folder / f"{name} checkpoint" / "ckpt")
    tf.saved_model.save(Module(), folder / "module")
    with tf.io.TFRecordWriter(str(folder / "examples.tfrecord")) as file:
        file.write(tf.train.Example().SerializeToString())


def catboost_models(folder: Path) -> None:
    """Classifiers and the like, with numbers, categories, texts and embeddings, in every format that fits."""
    x = [
        [float(i % 3), f"k{i % 4}", f"w{i % 5} and v{i % 7}", [float(i % 2), float(i % 3)]] for i in range(60)
    ]
    y = [i % 2 for i in range(60)]
    numbers = rng.normal(size=(60, 3))
    options: dict[str, Any] = {"iterations": 4, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
    made: dict[str, Any] = {
        "classifier": catboost.CatBoostClassifier(**options).fit(numbers, y),
        "regressor": catboost.CatBoostRegressor(**options).fit(numbers, numbers[:, 0]),
        "ranker": catboost.CatBoostRanker(**options).fit(numbers, y, group_id=np.arange(60) // 10),
        "categories": catboost.CatBoostClassifier(cat_features=[1], **options).fit([one[:2] for one in x], y),
        "all": catboost.CatBoostClassifier(
            cat_features=[1], text_features=[2], embedding_features=[3], **options
        ).fit(x, y),
    }
    for name, model in made.items():
        for form in ("cbm", "json", "onnx", "python", "cpp"):
            written = folder / f"{name}.{form}"
            with suppress(catboost.CatBoostError):  # not every format has a place for categories
                model.save_model(str(written), format=form)
            if written.exists() and not written.stat().st_size:
                written.unlink()
        for protocol in (2, 4, 5):
            (folder / f"{name} {protocol}.pkl").write_bytes(pickle.dumps(model, protocol))


def _tokenizer(folder: Path) -> None:
    model = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    model.train_from_iterator(
        WORDS, tokenizers.trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "</s>"])
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=model, unk_token="<unk>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)


def _trained(folder: Path) -> Any:
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    samples = [{"input_ids": torch.arange(5), "labels": torch.tensor(i % 2)} for i in range(4)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=1,
        save_steps=1,
        report_to=[],
        use_cpu=True,
        lr_scheduler_type="cosine",
    )
    trainer = transformers.Trainer(
        model=transformers.BertForSequenceClassification(config), args=arguments, train_dataset=samples
    )
    trainer.train()
    trainer.save_model()
    trainer.save_state()
    return trainer.model


def transformers_models(folder: Path) -> None:
    """Repositories as they are pushed: weights, tokenizers, templates, adapters, what a trainer leaves behind."""
    config = transformers.LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    llama = transformers.LlamaForCausalLM(config)
    llama.save_pretrained(folder / "llama", max_shard_size="20KB")
    torch.save(llama.state_dict(), folder / "llama" / "pytorch_model.bin")
    _tokenizer(folder / "llama")
    bert = _trained(folder / "trained")
    torch.save(bert.state_dict(), folder / "trained" / "old.bin", _use_new_zipfile_serialization=False)
    peft.get_peft_model(llama, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(
        folder / "adapter"
    )
    (folder / "texts.txt").write_text("\n".join(WORDS))
    for kind in ("unigram", "bpe", "char"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "texts.txt"),
            model_prefix=str(folder / kind),
            model_type=kind,
            vocab_size=50,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    writer = gguf.GGUFWriter(str(folder / "model.gguf"), "llama")
    writer.add_chat_template(TEMPLATE)
    writer.add_token_list(["<s>", "os.system", "{{", "}}"])
    writer.add_tensor("token_embd.weight", rng.normal(size=(4, 16)).astype("float16"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


WRITERS: dict[str, Callable[[Path], None]] = {
    "TensorFlow and Keras": tensorflow_models,
    "CatBoost": catboost_models,
    "transformers": transformers_models,
}


def main() -> None:
    """All of them."""
    for name, write in WRITERS.items():
        folder = Path(sys.argv[1], name)
        folder.mkdir(parents=True)
        write(folder)


if __name__ == "__main__":
    main()
