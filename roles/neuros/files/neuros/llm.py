"""A language model behind the OpenAI chat completions API, at OpenAI or anywhere that speaks it."""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI, OpenAIError

from neuros.rules import Assessment

_INSTRUCTIONS = (
    "You are NEUROS, the reasoning part of a health assistant. Answer the user in a few plain sentences. "
    "Use only the user's own numbers below, name those you rely on, and invent none. You do not diagnose."
)


class LLMError(Exception):
    """The model gave no usable answer; the text names the kind of failure and no address or key."""


class LLM:
    """One client for the life of the application; `last_outcome` is what the last call came to."""

    def __init__(self, url: str, key: str, model: str, deadline: float) -> None:
        self._model = model
        self._deadline = deadline
        self._client = AsyncOpenAI(api_key=key or "not-needed", base_url=url, timeout=deadline, max_retries=0)
        self.last_outcome = "not_asked_yet"

    async def answer(self, assessment: Assessment, message: str) -> str:
        """The model's answer within the deadline; LLMError otherwise."""
        try:
            completion = await asyncio.wait_for(
                self._client.chat.completions.create(
                    model=self._model,
                    messages=[
                        {"role": "system", "content": f"{_INSTRUCTIONS}\n\n{describe(assessment)}"},
                        {"role": "user", "content": message},
                    ],
                ),
                self._deadline,
            )
            text = (completion.choices[0].message.content or "").strip()
        except (OpenAIError, OSError, asyncio.TimeoutError) as error:
            self.last_outcome = f"failed: {type(error).__name__}"
            raise LLMError(type(error).__name__) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            self.last_outcome = "failed: not the chat completions API"
            raise LLMError("not the chat completions API") from error
        if not text:
            self.last_outcome = "failed: empty answer"
            raise LLMError("empty answer")
        self.last_outcome = "answered"
        return text

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def describe(assessment: Assessment) -> str:
    """What the model is told about the user: every number, the weak signals, the arc and the quality."""
    lines = [finding.sentence for finding in assessment.findings] or ["No readings of this user are stored."]
    lines += [f"Weak signal: {signal}." for signal in assessment.weak_signals]
    return "\n".join([*lines, f"Arc: {assessment.arc}. Data quality: {assessment.data_quality}."])
